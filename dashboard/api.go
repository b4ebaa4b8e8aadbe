package dashboard

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// problem is how the API says no: a code for programs, what is wrong, and what to do about it.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Cure    string `json:"cure"`
}

func refuse(c *gin.Context, status int, code, message, cure string) {
	c.AbortWithStatusJSON(status, gin.H{"error": problem{code, message, cure}})
}

func (s *Server) listAlerts(c *gin.Context) {
	f, err := parseFilter(c.Request.URL.Query())
	if err != nil {
		refuse(c, http.StatusBadRequest, "bad_query", err.Error(),
			"use severity, rule, key and source (each may be given several times), q, before and limit (0 to 500)")
		return
	}
	all, last := s.ring.newestFirst()
	now := s.opts.Now()
	found := f.apply(all, now)
	rows := make([]json.RawMessage, len(found.rows))
	for i, e := range found.rows {
		rows[i] = e.row
	}
	c.JSON(http.StatusOK, gin.H{
		"alerts": rows, "more": found.more, "total": found.total, "facets": found.facet, "hour": gin.H{"until": now, "counts": found.hour},
		"stream": s.ring.streamID(last), "kept": len(all), "kept_max": s.ring.max,
	})
}

func (s *Server) oneAlert(c *gin.Context) {
	e := s.ring.find(c.Param("id"))
	if e == nil {
		refuse(c, http.StatusNotFound, "no_such_alert", "no alert with this id is kept here",
			"the page keeps the newest alerts only; look for the id (header ce_id) on the alerts topic")
		return
	}
	var in struct{ Event json.RawMessage }
	var event bytes.Buffer
	if err := json.Unmarshal(e.record.Value, &in); err == nil && len(in.Event) > 0 {
		_ = json.Indent(&event, in.Event, "", "  ") // it is valid: it was just read
	}
	c.PureJSON(http.StatusOK, gin.H{ // pure: without \u003c for <
		"seq": e.seq, "partition": e.record.Partition, "offset": e.record.Offset, "emitted": e.record.Timestamp,
		"key_text": e.key[0], "event_text": event.String(), "alert": json.RawMessage(e.record.Value),
	})
}

func (s *Server) status(c *gin.Context) {
	all, last := s.ring.newestFirst()
	var oldest *time.Time
	if len(all) > 0 {
		oldest = &all[len(all)-1].record.Timestamp
	}
	c.JSON(http.StatusOK, gin.H{
		"app": s.opts.App, "pipeline": s.opts.Status(), "page": s.Counters(),
		"alerts": gin.H{"kept": len(all), "kept_max": s.ring.max, "oldest": oldest, "stream": s.ring.streamID(last)},
	})
}
