// Package alerts is the record of the alerts topic: what, for whom, and why.
//
// [Origin] names what an alert is about; its ID and Correlation are functions of that alone. [Alert] is the whole record and AppendJSON
// writes it. Nothing in it comes from a clock, so a replay of the same log repeats the same bytes. All of it may be used concurrently
// as long as nobody changes an Alert.
package alerts

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"insolite/internal/event"
)

// Origin is what makes an alert the one it is: the rule in its version, the record that fired it, and the alert's state.
type Origin struct {
	Rule      string
	Version   string
	Topic     string
	Partition event.Partition
	Offset    event.Offset
	Of        string // of an alert about alerts: the ID of the one that raised it, which stands for the record in what it is
	State     string

	Timer    bool       // it was due: Key and Deadline are part of what it is
	Key      string     // the record's key
	Deadline event.Time // when it was due
	Joins    string     // the correlation of the alert that it belongs to; empty: its own
}

// ID returns the alert's identity: 32 hexadecimal digits, the first 16 bytes of SHA-256 over rule, version, topic, partition, offset
// and state; Of stands in the place of topic, partition and offset. Of one by timer, key and deadline stand before the state. Each text is
// preceded by its length in 8 bytes, numbers are 8 bytes, big endian, so no two origins share an encoding.
func (o *Origin) ID() string {
	var b [originBytes]byte
	return digest(appendText(o.append(b[:0]), o.State))
}

// Correlation is common to all states of one alert: the ID of the first without the state.
func (o *Origin) Correlation() string {
	if o.Joins != "" {
		return o.Joins
	}
	var b [originBytes]byte
	return digest(o.append(b[:0]))
}

// originBytes is what an origin's encoding takes with names of usual length: it needs no memory of its own then.
const originBytes = 512

func (o *Origin) append(dst []byte) []byte {
	dst = appendText(dst, o.Rule)
	dst = appendText(dst, o.Version)
	if o.Of != "" {
		dst = appendText(dst, o.Of)
	} else {
		dst = appendText(dst, o.Topic)
		dst = binary.BigEndian.AppendUint64(dst, uint64(o.Partition))
		dst = binary.BigEndian.AppendUint64(dst, uint64(o.Offset))
	}
	if o.Timer {
		dst = binary.BigEndian.AppendUint64(appendText(dst, o.Key), uint64(o.Deadline))
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint64(dst, uint64(len(s))), s...)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	var text [32]byte
	hex.Encode(text[:], sum[:16])
	return string(text[:])
}
