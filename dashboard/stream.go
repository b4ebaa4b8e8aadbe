package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
)

// streamBatch alerts are written at once: few enough that a write's deadline means the client, not the amount.
const streamBatch = 64

// stream sends alerts as they come. The ring is every client's queue: a client that is slow falls back in it, and costs nothing else.
func (s *Server) stream(c *gin.Context) {
	if s.clients.Add(1) > s.clientMax {
		s.clients.Add(-1)
		s.refused.Add(1)
		c.Header("Retry-After", "10")
		refuse(c, http.StatusServiceUnavailable, "too_many_streams", "as many browsers as allowed are watching", "close a tab elsewhere, or try again later")
		return
	}
	defer s.clients.Add(-1)
	id := c.GetHeader("Last-Event-ID")
	if id == "" {
		id = c.Query("after")
	}
	seq, reset, err := s.ring.resume(id)
	if err != nil {
		refuse(c, http.StatusBadRequest, "bad_stream_id", err.Error(), "take the id from \"stream\" of a list, or leave it out to start with the next alert")
		return
	}
	c.Header("Content-Type", "text/event-stream; charset=utf-8")
	c.Header("X-Accel-Buffering", "no") // nginx
	c.Status(http.StatusOK)
	out := &eventWriter{to: c.Writer, control: http.NewResponseController(c.Writer), within: s.writeWithin}
	fmt.Fprint(&out.buf, "retry: 2000\n: hello\n\n")
	if reset != "" {
		s.writeReset(out, seq, reset, 0)
	}
	// The server's time to read a request must not end the wait for the client's end.
	_ = out.control.SetReadDeadline(time.Time{})
	if err := s.follow(c.Request.Context(), out, seq); errors.Is(err, os.ErrDeadlineExceeded) {
		s.dropped.Add(1)
		s.opts.Log.Warn("dashboard dropped a stream whose client takes nothing", "client", c.Request.RemoteAddr, "within", s.writeWithin)
	}
}

// follow writes what follows seq until the client is gone, the server ends or a write fails.
func (s *Server) follow(ctx context.Context, out *eventWriter, seq uint64) error {
	ticks, stop := s.tick(heartbeatEvery)
	defer stop()
	batch := make([]*entry, 0, streamBatch)
	for {
		found, more, ok := s.ring.after(seq, batch)
		if !ok {
			newest := s.ring.newest()
			s.missed.Add(newest - seq)
			s.writeReset(out, newest, "behind", newest-seq)
			seq = newest
			continue
		}
		for _, e := range found {
			fmt.Fprintf(&out.buf, "id: %s\nevent: alert\ndata: %s\n\n", s.ring.streamID(e.seq), e.row)
			seq = e.seq
		}
		if err := out.flush(); err != nil {
			return err
		}
		if len(found) > 0 && !s.isEnding() {
			continue
		}
		select {
		case <-more:
		case <-ticks:
			fmt.Fprint(&out.buf, ": heartbeat\n\n")
		case <-s.ending:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Server) writeReset(out *eventWriter, seq uint64, reason string, missed uint64) {
	s.resets.Add(1)
	fmt.Fprintf(&out.buf, "id: %s\nevent: reset\ndata: {\"reason\":%q,\"missed\":%d}\n\n", s.ring.streamID(seq), reason, missed)
}

func (s *Server) isEnding() bool {
	select {
	case <-s.ending:
		return true
	default:
		return false
	}
}

// eventWriter gathers events and writes them with a deadline.
type eventWriter struct {
	to      http.ResponseWriter
	control *http.ResponseController
	within  time.Duration
	buf     bytes.Buffer
}

func (w *eventWriter) flush() error {
	if w.buf.Len() == 0 {
		return nil
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(w.within)); err != nil {
		return err
	}
	if _, err := w.to.Write(w.buf.Bytes()); err != nil {
		return err
	}
	w.buf.Reset()
	return w.control.Flush()
}
