package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
)

// Limits of length. What is longer is told to be split, or stands in exceptions.
const (
	fileLines     = 500
	functionLines = 70
	testLines     = 120 // of a function in a _test.go file: tables are long and flat
)

// exceptions are the files and functions that are longer than the limits, each with its length. The list is a ratchet: an entry may only be
// lowered, and goes when what it names keeps the limit. "file.go" names a file, "file.go:Name" or "file.go:Type.Name" a function.
var exceptions = map[string]int{}

// lengths compares a file and its functions with the limits.
func (c *checker) lengths(name string, src []byte, fset *token.FileSet, file *ast.File, limit int) {
	c.length(name, bytes.Count(src, []byte("\n")), fileLines)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			c.length(name+":"+functionName(f), fset.Position(f.End()).Line-fset.Position(f.Pos()).Line+1, limit)
		}
	}
}

func (c *checker) length(what string, lines, limit int) {
	allowed, excepted := c.exceptions[what]
	c.met[what] = true
	problem := ""
	switch {
	case !excepted && lines > limit:
		problem = fmt.Sprintf("has %d lines, %d are allowed; split it", lines, limit)
	case excepted && lines > allowed:
		problem = fmt.Sprintf("has grown from %d to %d lines; exceptions may only shrink", allowed, lines)
	case excepted && lines <= limit:
		problem = fmt.Sprintf("has %d lines and keeps the limit; take it from the exceptions in internal/tidy", lines)
	case excepted && lines < allowed:
		problem = fmt.Sprintf("has shrunk from %d to %d lines; lower its exception in internal/tidy", allowed, lines)
	default:
		return
	}
	c.problems = append(c.problems, what+": "+problem)
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}
