package yamldoc

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"insolite/internal/diag"
)

// Parse reads one file. Problems go to list; ok is false when the file has no tree to look at. Later problems of the tree's readers go to
// the same list. Values of the fields named in secrets are kept out of snippets.
func Parse(path string, data []byte, list *diag.List, secrets ...string) (doc *Doc, ok bool) {
	d := &Doc{Path: path, list: list}
	if len(data) > SizeMax {
		list.Errorf(diag.Position{File: path}, "the file has %d bytes, the limit is %d; split it into several files", len(data), SizeMax)
		return d, false
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	d.lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if !d.checkText() {
		return d, false
	}
	root, err := d.parse(strings.Join(d.lines, "\n"))
	if err != nil {
		d.syntax(err)
		return d, false
	}
	if len(root) == 0 {
		return d, true
	}
	d.secrets = secrets
	c := &converter{doc: d}
	d.Root = c.node(root[0].Body, 0)
	if len(root) > 1 {
		p := tokenOf(root[1].Body).Position
		d.reportAt(p.Line, p.Column, "a second document; put everything in one document, or in another file")
		return d, false
	}
	return d, !c.failed
}

// checkText refuses what is not text: the parser would report it in a confusing place, or not at all.
func (d *Doc) checkText() bool {
	for i, line := range d.lines {
		col := 1
		for at := 0; at < len(line); {
			r, w := utf8.DecodeRuneInString(line[at:])
			if r == utf8.RuneError && w == 1 {
				d.reportAt(i+1, col, "the file is not valid UTF-8; save it as UTF-8")
				return false
			}
			if r < ' ' && r != '\t' || r == 0x7f {
				d.reportAt(i+1, col, fmt.Sprintf("control character U+%04X; remove it", r))
				return false
			}
			at, col = at+w, col+1
		}
	}
	return true
}

// reportAt reports at a place that the library has found, which has been behind the end of its line.
func (d *Doc) reportAt(line, col int, message string) {
	if line = min(line, len(d.lines)); line > 0 {
		col = min(col, utf8.RuneCountInString(d.lines[line-1])+1)
	}
	d.list.Add(diag.Problem{Position: diag.Position{File: d.Path, Line: line, Col: max(1, col)}, Message: message, Length: 1, Snippet: d.snippet(line)})
}

// limitError is a limit that a file breaks, at the token that breaks it.
type limitError struct {
	at      *token.Token
	message string
}

func (e *limitError) Error() string { return e.message }

// parse runs the library behind our limits. It has panicked on hostile input before, so a panic is a syntax error too.
func (d *Doc) parse(text string) (docs []*ast.DocumentNode, err error) {
	defer func() {
		if r := recover(); r != nil {
			docs, err = nil, errors.New("the file cannot be read as YAML; look for unbalanced quotes or brackets")
		}
	}()
	tokens := joinColons(lexer.Tokenize(text))
	if err := checkLimits(tokens); err != nil {
		return nil, err
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if open := unclosed(tokens); open != nil {
			return nil, open
		}
		return nil, err
	}
	for _, doc := range f.Docs {
		if doc.Body != nil {
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

// checkLimits refuses a file with too many tokens or too deep nesting, before the recursive parser sees it. Block nesting is read from the
// columns: each level starts to the right of the one around it.
func checkLimits(tokens token.Tokens) error {
	if len(tokens) > TokensMax {
		return &limitError{tokens[TokensMax], fmt.Sprintf("more than %d words in one file; split it into several files", TokensMax)}
	}
	flow := 0
	var columns []int
	for i, t := range tokens {
		switch t.Type {
		case token.InvalidType:
			if open := unclosed(tokens[:i]); open != nil {
				return open
			}
			return &limitError{t, t.Error}
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingValueType, token.MappingKeyType, token.TagType, token.AnchorType:
			if flow == 0 {
				col := t.Position.Column
				if t.Type == token.MappingValueType && t.Prev != nil && t.Prev.Position.Line == t.Position.Line {
					col = t.Prev.Position.Column
				}
				for len(columns) > 0 && columns[len(columns)-1] >= col {
					columns = columns[:len(columns)-1]
				}
				columns = append(columns, col)
			}
		}
		if flow+len(columns) > DepthMax {
			return &limitError{t, fmt.Sprintf("more than %d levels of nesting; flatten it", DepthMax)}
		}
	}
	return nil
}

// unclosed finds a bracket or brace that is open when a line begins no further in than its own: the parser complains there, or at a quote
// far below. nil: there is none.
func unclosed(tokens token.Tokens) error {
	type bracket struct {
		at     *token.Token
		indent int // of its line
	}
	var open []bracket
	line, indent := 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, indent = t.Position.Line, t.Position.Column
			if n := len(open); n > 0 && indent <= open[n-1].indent {
				break
			}
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			open = append(open, bracket{t, indent})
		case token.MappingEndType, token.SequenceEndType:
			open = open[:max(0, len(open)-1)]
		}
	}
	if len(open) == 0 {
		return nil
	}
	at := open[len(open)-1].at
	if at.Type == token.SequenceStartType {
		return &limitError{at, "this [ is not closed; write ] behind its last item"}
	}
	return &limitError{at, "this { is not closed; write } behind its last field"}
}

// syntax reports an error of the parser in our words where they are clearer.
func (d *Doc) syntax(err error) {
	var limit *limitError
	if errors.As(err, &limit) {
		d.reportAt(limit.at.Position.Line, limit.at.Position.Column, cure(limit.message))
		return
	}
	var located interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &located) && located.GetToken() != nil {
		p := located.GetToken().Position
		d.reportAt(p.Line, p.Column, cure(located.GetMessage()))
		return
	}
	d.reportAt(1, 1, cure(firstLine(err.Error())))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// cure adds what to do to the parser's messages.
func cure(message string) string {
	for _, c := range [...]struct{ has, cure string }{
		{"mapping value is not allowed", "put text with a colon in quotes, or check the indentation"},
		{"value is not allowed in this context", "check the indentation: fields of one mapping start in one column"},
		{"tab character", "indent with spaces"},
		{"sequence end token", "close the list with ]"},
		{"flow mapping end token", "close the mapping with }"},
		{"end character of double-quoted", "close the text with a double quote"},
		{"end character of single-quoted", "close the text with a single quote"},
		{"invalid key", "a field's name is a plain word"},
		{"non-map value is specified", "write name: value"},
		{"unexpected", "check indentation, quotes and brackets"},
	} {
		if strings.Contains(message, c.has) {
			return "this is not valid YAML: " + message + "; " + c.cure
		}
	}
	if strings.Contains(message, ";") {
		return message
	}
	return "this is not valid YAML: " + message + "; check indentation, quotes and brackets"
}

// tokenOf returns a node's token, never nil.
func tokenOf(n ast.Node) *token.Token {
	if n != nil {
		if t := n.GetToken(); t != nil && t.Position != nil {
			return t
		}
	}
	return &token.Token{Position: &token.Position{Line: 1, Column: 1}}
}
