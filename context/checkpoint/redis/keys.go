package redis

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"insolite/context/checkpoint"
	"insolite/internal/event"
)

var be, le = binary.BigEndian, binary.LittleEndian

// bucketCount is the number of hashes of a keyspace. With ten million contexts each holds ten thousand, some megabytes: what is freed, moved
// to another node or scanned in one step stays small, and so does the table that the server makes when a hash grows.
const bucketCount = 1024

// keyPrefix begins every key of a task. The part in braces decides the Cluster slot. No byte of a name can end it or be taken for another
// part.
func keyPrefix(id checkpoint.TaskID) string {
	return fmt.Sprintf("insolite:{%s/%s/%d}:", url.PathEscape(id.App), url.PathEscape(id.Topic), id.Partition)
}

func bucketOf(key []byte) uint16 { return uint16(xxh3.Hash(key) % bucketCount) }

func (t *task) bucketKey(keyspace checkpoint.KeyspaceID, bucket uint16) string {
	b := make([]byte, 0, len(t.prefix)+2+16+1+4)
	b = append(b, t.prefix...)
	b = append(b, "c:"...)
	b = strconv.AppendUint(b, uint64(keyspace), 16)
	b = append(b, ':')
	return string(strconv.AppendUint(b, uint64(bucket), 10))
}

// indexKey is of the sorted set of a keyspace's deadlines. Its entries are the deadline, in bytes that are ordered as time is, and the key.
func (t *task) indexKey(keyspace checkpoint.KeyspaceID) string {
	return t.prefix + "t:" + strconv.FormatUint(uint64(keyspace), 16)
}

func timerEntry(t checkpoint.Timer) []byte {
	b := make([]byte, 0, checkpoint.DeadlineLen+len(t.Key))
	return append(checkpoint.AppendDeadline(b, t.Deadline), t.Key...)
}

func parseTimer(entry string) (t checkpoint.Timer, ok bool) {
	b := []byte(entry)
	if len(b) < checkpoint.DeadlineLen {
		return t, false
	}
	return checkpoint.Timer{Deadline: checkpoint.ParseDeadline(b), Key: b[checkpoint.DeadlineLen:]}, true
}

// The head's fields for a keyspace and a layout.
const keyspaceField, layoutField = "keyspace:", "layout:"

func fieldOf(kind string, id uint64) string { return kind + strconv.FormatUint(id, 16) }

func parseField(kind, field string) (id uint64, ok bool) {
	text, ok := strings.CutPrefix(field, kind)
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(text, 16, 64)
	return id, err == nil
}

// An entry of the list of expired contexts is the position, the keyspace, big endian, and the key: their order is that of the positions.
const expiredPrefix = 8 + 4 + 8

func expiredEntry(it *checkpoint.Item) []byte {
	b := make([]byte, 0, expiredPrefix+len(it.Key))
	b = be.AppendUint32(be.AppendUint64(b, uint64(it.Position.Offset)), it.Position.Step)
	return append(be.AppendUint64(b, uint64(it.Keyspace)), it.Key...)
}

func parseExpired(entry string) (it checkpoint.Item, ok bool) {
	b := []byte(entry)
	if len(b) < expiredPrefix {
		return it, false
	}
	it.Position = event.Position{Offset: event.Offset(be.Uint64(b)), Step: be.Uint32(b[8:])}
	it.Keyspace, it.Key = checkpoint.KeyspaceID(be.Uint64(b[12:])), b[expiredPrefix:]
	return it, true
}

// expiredEnd is the end, as the server reads it, of the entries up to a position.
func expiredEnd(y event.Position) []byte {
	next := event.Position{Offset: y.Offset, Step: y.Step + 1}
	if y.Step == math.MaxUint32 {
		next = event.Position{Offset: y.Offset + 1}
	}
	return be.AppendUint32(be.AppendUint64([]byte{'('}, uint64(next.Offset)), next.Step)
}

// sum appends a checksum.
func sum(b []byte) []byte { return le.AppendUint64(b[:len(b):len(b)], xxh3.Hash(b)) }

func unsum(b []byte) (body []byte, ok bool) {
	if len(b) < 8 {
		return nil, false
	}
	body = b[:len(b)-8]
	return body, le.Uint64(b[len(body):]) == xxh3.Hash(body)
}
