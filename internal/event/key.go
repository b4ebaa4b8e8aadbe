package event

import (
	"encoding/binary"
	"errors"
)

// AppendKeyPart appends the encoding of one field of a key: its kind, then its value. The encoding of a sequence of parts is injective,
// so two keys are equal exactly when their bytes are. Numbers and missing values are never part of a key.
func AppendKeyPart(dst []byte, v *Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case KindString:
		dst = binary.AppendUvarint(dst, uint64(len(v.S)))
		return append(dst, v.S...)
	case KindIP:
		dst = binary.BigEndian.AppendUint64(dst, v.M)
		return binary.BigEndian.AppendUint64(dst, v.N)
	case KindBool:
		return append(dst, byte(v.N))
	}
	return binary.BigEndian.AppendUint64(dst, v.N)
}

var errKey = errors.New("malformed key")

// ParseKey decodes what AppendKeyPart wrote, for people to read. Strings are copies.
func ParseKey(b []byte) ([]Value, error) {
	var parts []Value
	for len(b) > 0 {
		v := Value{Kind: Kind(b[0])}
		b = b[1:]
		switch v.Kind {
		case KindString:
			n, w := binary.Uvarint(b)
			if w <= 0 || n > uint64(len(b)-w) {
				return nil, errKey
			}
			v.S = string(b[w : w+int(n)])
			b = b[w+int(n):]
		case KindIP:
			if len(b) < 16 {
				return nil, errKey
			}
			v.M, v.N = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
			b = b[16:]
		case KindBool:
			if len(b) < 1 {
				return nil, errKey
			}
			v.N = uint64(b[0])
			b = b[1:]
		case KindInt, KindTime, KindDuration:
			if len(b) < 8 {
				return nil, errKey
			}
			v.N = binary.BigEndian.Uint64(b)
			b = b[8:]
		default:
			return nil, errKey
		}
		parts = append(parts, v)
	}
	return parts, nil
}
