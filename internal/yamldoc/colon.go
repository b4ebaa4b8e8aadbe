package yamldoc

import "github.com/goccy/go-yaml/token"

// joinColons makes one plain scalar again of what the library splits at a colon inside `{a: [localhost:9092]}`: in YAML a colon ends a name
// only when a space follows.
func joinColons(tokens token.Tokens) token.Tokens {
	var open []token.Type
	joined := tokens[:0]
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			open = append(open, t.Type)
		case token.MappingEndType, token.SequenceEndType:
			open = open[:max(0, len(open)-1)]
		case token.MappingValueType:
			inList := len(open) > 0 && open[len(open)-1] == token.SequenceStartType
			if inList && len(joined) > 0 && i+1 < len(tokens) && join(joined[len(joined)-1], t, tokens[i+1]) {
				i++
				continue
			}
		}
		joined = append(joined, t)
	}
	return joined
}

// join makes one scalar of a:b when nothing stands between its parts.
func join(a, colon, b *token.Token) bool {
	if !plainScalar(a) || !plainScalar(b) || !adjacent(a, colon) || !adjacent(colon, b) {
		return false
	}
	a.Type, a.Value, a.Origin = token.StringType, a.Value+":"+b.Value, a.Origin+":"+b.Origin
	a.Next = b.Next
	if b.Next != nil {
		b.Next.Prev = a
	}
	return true
}

func plainScalar(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType, token.InfinityType, token.NanType,
		token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType:
		return true
	}
	return false
}

// adjacent reports whether nothing stands between two tokens.
func adjacent(a, b *token.Token) bool {
	return a.Position.Line == b.Position.Line && a.Position.Column+len([]rune(a.Value)) == b.Position.Column
}
