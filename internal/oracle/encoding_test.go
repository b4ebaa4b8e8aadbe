package oracle

import (
	"bytes"
	"net/netip"
	"testing"

	engine "insolite/internal/event"
)

// The sketch's estimate is defined over the bytes of event.AppendKeyPart; the oracle writes them by itself.
func TestKeyBytes(t *testing.T) {
	for _, c := range []struct {
		ours   Value
		theirs engine.Value
	}{
		{Value{Kind: String, S: "grüß"}, engine.StringValue("grüß")},
		{integer(-7), engine.IntValue(-7)},
		{boolean(true), engine.BoolValue(true)},
		{Value{Kind: Time, I: 99, Offset: 3600}, engine.TimeValue(99, 3600)},
		{Value{Kind: IP, S: "10.0.0.1"}, engine.IPValue(netip.MustParseAddr("10.0.0.1"))},
		{Value{Kind: IP, S: "2001:db8::1"}, engine.IPValue(netip.MustParseAddr("2001:db8::1"))},
	} {
		if got, want := c.ours.keyBytes(), engine.AppendKeyPart(nil, &c.theirs); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", c.ours.JSON(), got, want)
		}
	}
}
