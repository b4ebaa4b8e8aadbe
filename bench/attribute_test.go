package bench

import (
	"math"
	"testing"
)

// Samples are counted where their innermost known function belongs, those of labelled goroutines too.
func TestAttribute(t *testing.T) {
	const traces = `File: bench.test
Type: cpu
-----------+-------------------------------------------------------
      70ms   runtime.memmove
             insolite/ingest/decode.(*Decoder).take
             insolite/internal/engine.(*Engine).decode
-----------+-------------------------------------------------------
   pebble:  compact
      20ms   github.com/golang/snappy.encodeBlock
             github.com/cockroachdb/pebble/v2/sstable/block.(*Compressor).Compress
-----------+-------------------------------------------------------
      10ms   runtime.gcBgMarkWorker
`
	want := map[string]float64{"decode": 0.7, "checkpoints": 0.2, "Go's runtime: garbage, scheduling": 0.1}
	for _, p := range attribute(traces, allPlaces()) {
		if math.Abs(p.share-want[p.name]) > 1e-9 {
			t.Errorf("%s has %v, want %v", p.name, p.share, want[p.name])
		}
	}
}
