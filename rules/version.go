package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"insolite/context/window"
	"insolite/internal/event"
	"insolite/rules/expr"
)

// hash is the identity of what its parts say. Each part is written with its length, so that different parts never read the same.
func hash(parts ...string) FeatureID {
	h := sha256.New()
	var size [8]byte
	for _, p := range parts {
		binary.LittleEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return FeatureID(h.Sum(nil)[:16])
}

// short is the beginning of an id, by which a layout finds state.
func (id FeatureID) short() uint64 { return binary.LittleEndian.Uint64(id[:]) }

// list writes parts of one kind as one part.
func list(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	return b.String()
}

func canonical(e *expr.Expr) string {
	if e == nil {
		return ""
	}
	return e.Canonical()
}

func canonicals(wheres []*expr.Expr) string {
	parts := make([]string, len(wheres))
	for i, w := range wheres {
		parts[i] = w.Canonical()
	}
	return list(parts)
}

// windowText tells windows apart. Window.String does too, but it is wording, which may change.
func windowText(w window.Window) string {
	zone := ""
	if w.Zone != nil {
		zone = w.Zone.String()
	}
	return fmt.Sprintf("%d %d %d %s %d", w.Kind, w.Length, w.Unit, zone, w.N)
}

// fieldTexts names fields with their kinds: a field of another kind makes other state.
func fieldTexts(s *event.Source, slots []event.Slot) string {
	parts := make([]string, len(slots))
	for i, slot := range slots {
		parts[i] = s.Fields[slot].Name + " " + s.Fields[slot].Kind.String()
	}
	return list(parts)
}

// readID identifies what a feature computes.
func (d *draft) readID(r *Read, key []string) FeatureID {
	if b := r.Baseline; b != nil {
		q := b.Query
		return hash("read baseline", r.Source.Name, strings.Join(key, ","), canonicals(r.wheres), fieldTexts(r.Source, r.Fields), b.stateText(),
			fmt.Sprint(q.MinSamples, q.Direction, q.MinDeviation, q.Relative))
	}
	return hash("read", r.Source.Name, strings.Join(key, ","), canonicals(r.wheres), r.aggText(), fieldTexts(r.Source, r.Fields), windowText(r.Window),
		fmt.Sprint(r.Exact, r.Several, r.ExcludeCurrent, r.MinSamples))
}

// cellID identifies the state that a feature is answered from.
func (s *Stream) cellID(r *Read) FeatureID {
	if b := r.Baseline; b != nil {
		return hash("cell baseline", s.Source.Name, s.Keyspace.Name, canonicals(r.wheres), fieldTexts(s.Source, r.Fields), b.stateText())
	}
	return hash("cell", s.Source.Name, s.Keyspace.Name, canonicals(r.wheres), fmt.Sprint(r.Agg.Family()), fieldTexts(s.Source, r.Fields),
		windowText(r.Window), fmt.Sprint(r.Exact))
}

// version identifies what a rule detects and when it tells.
func (d *draft) version() string {
	parts := []string{"rule", d.Source.Name, canonical(d.Where), fieldTexts(d.Source, d.GroupBy), canonical(d.Condition)}
	for _, f := range d.Features {
		parts = append(parts, "feature", f.Name, f.Read.ID.String())
	}
	if v := d.NewValue; v != nil {
		parts = append(parts, "new_value", fieldTexts(d.Source, v.Fields), v.History.String(), v.Learning.String())
	}
	if q := d.Sequence; q != nil {
		parts = append(parts, q.parts()...)
	}
	for _, x := range d.Exceptions {
		parts = append(parts, "exception", canonical(x.Where))
	}
	if d.Absence != nil {
		parts = append(parts, "absence", d.Absence.text())
	}
	if d.For > 0 || d.KeepFiring > 0 {
		parts = append(parts, "for", d.For.String(), d.KeepFiring.String())
	}
	if s := d.Suppress; s != nil {
		parts = append(parts, "suppress", s.text(), fieldTexts(d.Source, s.By))
	}
	return hash(parts...).String()
}

// text says for how long is suppressed.
func (s *Suppress) text() string {
	if s.Calendar != nil {
		return windowText(*s.Calendar)
	}
	return s.For.String()
}

// suppressID identifies the memory of a rule's alerts. It outlives new versions of the rule, unless it has to be kept in another form.
func (d *draft) suppressID() uint64 {
	form := "for"
	if d.Suppress.Calendar != nil {
		form = "calendar"
	}
	return hash("suppress", d.ID, form, d.Source.Name, d.keyspace, fieldTexts(d.Source, d.Suppress.By)).short()
}

// version identifies the set for those who evaluate it.
func (s *Set) version() string {
	var parts []string
	for _, r := range s.Rules {
		parts = append(parts, r.ID, r.Version, r.Mode.String())
	}
	id := hash(parts...)
	return hex.EncodeToString(id[:])
}
