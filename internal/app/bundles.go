package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"insolite/ingest"
	"insolite/ingest/kafka"
	"insolite/internal/bundle"
	"insolite/internal/config"
	"insolite/internal/diag"
	"insolite/internal/engine"
	"insolite/internal/event"
	"insolite/rules"
	"insolite/rules/lookup"
)

// Bundle gathers what the project's results depend on. Names do not depend on where the project lies.
func (p *Project) Bundle() (*bundle.Bundle, error) {
	b := &bundle.Bundle{Engine: engine.Version}
	for _, s := range p.Config.Sources {
		text, err := rules.EncodeSource(s)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		b.Files = append(b.Files, bundle.File{Kind: bundle.Source, Name: s.Name, Data: text})
	}
	for _, l := range p.Config.Lookups {
		b.Files = append(b.Files, bundle.File{Kind: bundle.Lookup, Name: lookupName(l.Name, l.Key), Data: p.lookupData[l.Name]})
	}
	for _, f := range p.Files {
		b.Files = append(b.Files, bundle.File{Kind: bundle.Rules, Name: p.relative(f.Path), Data: f.Data})
	}
	return b, nil
}

// hashed is Bundle with its hash.
func (p *Project) hashed() (*bundle.Bundle, bundle.Hash, error) {
	b, err := p.Bundle()
	if err != nil {
		return nil, bundle.Hash{}, err
	}
	hash, err := b.Hash()
	return b, hash, err
}

// relative is a path as seen from the folder of the configuration.
func (p *Project) relative(path string) string {
	if rel, err := filepath.Rel(filepath.Dir(p.Config.Path), path); err == nil {
		path = rel
	}
	return filepath.ToSlash(path)
}

// keySeparator stands between a table's name and its key column in the name of its file.
const keySeparator = " key="

func lookupName(name, key string) string {
	if key == "" {
		return name
	}
	return name + keySeparator + key
}

// compile turns a bundle into its set of rules, for an application.
func compile(b *bundle.Bundle, app string) (*rules.Set, error) {
	var names []string
	var texts [][]byte
	var files []rules.File
	list := &diag.List{}
	lookups := &lookup.Set{Lists: map[string]*lookup.List{}, Tables: map[string]*lookup.Table{}}
	for _, f := range b.Files {
		switch f.Kind {
		case bundle.Source:
			names, texts = append(names, f.Name), append(texts, f.Data)
		case bundle.Rules:
			files = append(files, rules.File{Path: f.Name, Data: f.Data})
		case bundle.Lookup:
			if name, key, table := strings.Cut(f.Name, keySeparator); table {
				lookups.Tables[name] = lookup.ParseTable(name, f.Data, key, list)
			} else {
				lookups.Lists[name] = lookup.ParseList(name, f.Data, list)
			}
		}
	}
	if err := list.Err(); err != nil {
		return nil, err
	}
	sources, err := rules.DecodeSources(names, texts)
	if err != nil {
		return nil, err
	}
	set, list := rules.Load(files, sources, lookups, rules.Options{App: app})
	if set == nil {
		return nil, list.Err()
	}
	return set, nil
}

// bundles is the bundles topic as this instance has read it. Its methods may be called concurrently.
type bundles struct {
	client   *kafka.Client
	producer *kafka.Producer
	app      string
	topic    string
	stages   *stageTopics
	log      *slog.Logger
	changed  func() // a newer bundle was read

	newest  atomic.Int64  // -1: none. Tasks ask for it between two commits, so nothing that waits may guard it
	reading chan struct{} // held by one reader of the topic at a time; a channel, so that waiting for it ends with a context
	next    event.Offset  // of the reader

	mu        sync.Mutex // never held while anything is asked of a broker
	chunks    map[bundle.Hash][]byte
	manifests map[event.Offset]*bundle.Manifest
	seen      map[bundle.Hash]event.Offset // the newest number of a bundle
	sets      map[event.Offset]*rules.Set
}

func newBundles(client *kafka.Client, producer *kafka.Producer, c *config.Config, log *slog.Logger) *bundles {
	b := &bundles{client: client, producer: producer, app: c.App, topic: c.BundlesTopic(), stages: newStageTopics(client, c, log), log: log, changed: func() {}, reading: make(chan struct{}, 1), chunks: map[bundle.Hash][]byte{},
		manifests: map[event.Offset]*bundle.Manifest{}, seen: map[bundle.Hash]event.Offset{}, sets: map[event.Offset]*rules.Set{}}
	b.newest.Store(-1)
	return b
}

// refresh reads what is new on the topic.
func (b *bundles) refresh(ctx context.Context) error {
	select {
	case b.reading <- struct{}{}:
		defer func() { <-b.reading }()
	case <-ctx.Done():
		return fmt.Errorf("read the bundles: %w", ctx.Err())
	}
	at := kafka.TopicPartition{Topic: b.topic}
	end, err := b.client.HighWatermark(ctx, at)
	if err != nil {
		return fmt.Errorf("read the bundles: %w", err)
	}
	if b.next == 0 {
		if b.next, err = b.client.Earliest(ctx, at); err != nil {
			return fmt.Errorf("read the bundles: %w", err)
		}
	}
	before := b.Newest()
	for r, err := range b.client.ReadAll(ctx, at, b.next, end) {
		if err != nil {
			return fmt.Errorf("read the bundles: %w", err)
		}
		if err := b.take(&r); err != nil {
			return fmt.Errorf("read the bundles: the record at %d of %s: %w", r.Offset, b.topic, err)
		}
		b.next = r.Offset + 1
	}
	if b.Newest() != before {
		b.changed()
	}
	return nil
}

func (b *bundles) take(r *ingest.Record) error {
	record, err := bundle.Parse(r.Value)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case record.Manifest != nil:
		b.manifests[r.Offset], b.seen[record.Manifest.Hash] = record.Manifest, r.Offset
		b.newest.Store(int64(r.Offset))
	default:
		b.chunks[record.Chunk.Hash] = append([]byte{}, record.Chunk.Data...)
	}
	return nil
}

// Newest returns the number of the newest bundle; -1: none.
func (b *bundles) Newest() event.Offset { return event.Offset(b.newest.Load()) }

// number returns the newest number of the bundle with a hash.
func (b *bundles) number(h bundle.Hash) (event.Offset, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, ok := b.seen[h]
	return n, ok
}

// publish puts a bundle on the topic, acknowledged, and returns its number.
func (b *bundles) publish(ctx context.Context, add *bundle.Bundle) (event.Offset, error) {
	e, err := add.Encode()
	if err != nil {
		return 0, fmt.Errorf("publish rules: %w", err)
	}
	var send []kafka.Message
	b.mu.Lock()
	for i := range e.Chunks {
		if c := &e.Chunks[i]; b.chunks[c.Hash] == nil {
			send = append(send, kafka.Message{Topic: b.topic, Pinned: true, Key: c.Key(), Value: c.Value()})
		}
	}
	b.mu.Unlock()
	send = append(send, kafka.Message{Topic: b.topic, Pinned: true, Key: e.ManifestKey(), Value: e.Manifest})
	if _, err := b.producer.Produce(ctx, send...); err != nil {
		return 0, fmt.Errorf("publish rules: %w", err)
	}
	if err := b.refresh(ctx); err != nil {
		return 0, err
	}
	n, ok := b.number(e.Hash)
	if !ok {
		return 0, errors.New("publish rules: the bundle is not on the topic after it was acknowledged")
	}
	return n, nil
}

// set returns the rules of a bundle.
func (b *bundles) set(ctx context.Context, number event.Offset) (*rules.Set, error) {
	b.mu.Lock()
	known := b.sets[number]
	manifest := b.manifests[number]
	b.mu.Unlock()
	if known != nil {
		return known, nil
	}
	if manifest == nil {
		if err := b.refresh(ctx); err != nil {
			return nil, err
		}
		b.mu.Lock()
		manifest = b.manifests[number]
		b.mu.Unlock()
		if manifest == nil {
			return nil, fmt.Errorf("bundle %d is not on %s; restore the topic", number, b.topic)
		}
	}
	b.mu.Lock()
	content, err := manifest.Bundle(func(h bundle.Hash) []byte { return b.chunks[h] })
	b.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("bundle %d: %w", number, err)
	}
	set, err := compile(content, b.app)
	if err != nil {
		return nil, fmt.Errorf("bundle %d: %w", number, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if first := b.sets[number]; first != nil { // somebody was faster
		return first, nil
	}
	b.sets[number] = set
	return set, nil
}

// find returns the newest number of a bundle with the same content. Which version of the engine has published it does not matter: rules are not
// new because the program is, and old ones on disk must not come back by an upgrade.
func (b *bundles) find(mine *bundle.Bundle) (number event.Offset, seen bool, err error) {
	engines := map[uint32]bool{mine.Engine: true}
	b.mu.Lock()
	for _, m := range b.manifests {
		engines[m.Engine] = true
	}
	b.mu.Unlock()
	number = -1
	for e := range engines {
		h, err := (&bundle.Bundle{Engine: e, Files: mine.Files}).Hash()
		if err != nil {
			return -1, false, err
		}
		if n, ok := b.number(h); ok {
			number, seen = max(number, n), true
		}
	}
	return number, seen, nil
}

// inForce reports whether the newest bundle has the same content.
func (b *bundles) inForce(mine *bundle.Bundle) (bool, error) {
	number, seen, err := b.find(mine)
	return seen && number == b.Newest(), err
}

// topicBundles are the bundles as a task of one topic sees them.
type topicBundles struct {
	*bundles
	topic string
}

// Plan returns what a bundle computes on the topic; without rules, nothing. The topics that it sends to are there then.
func (b topicBundles) Plan(ctx context.Context, number event.Offset) (*rules.Plan, error) {
	set, err := b.set(ctx, number)
	if err != nil {
		return nil, err
	}
	if err := b.stages.ensure(ctx, set); err != nil {
		return nil, err
	}
	if p := set.Plan(b.topic); p != nil {
		return p, nil
	}
	p := &rules.Plan{Topic: b.topic}
	for _, s := range set.Sources {
		if s.Topic == b.topic {
			p.Sources = append(p.Sources, &rules.SourcePlan{Source: s, Width: len(s.Fields), Needed: make([]bool, len(s.Fields))})
			p.Lateness = max(p.Lateness, s.Lateness)
		}
	}
	if len(p.Sources) == 0 && isStage(b.app, b.topic) {
		p.Stage = &rules.Stage{} // what was sent by other rules is read to its end
		return p, nil
	}
	if len(p.Sources) == 0 {
		return nil, fmt.Errorf("bundle %d has no source on topic %s; put it back, or take another `app`", number, b.topic)
	}
	return p, nil
}

// Targets returns how many partitions the topic of a stage has, of those that Plan has seen to.
func (b topicBundles) Targets(topic string) int32 { return b.stages.count(topic) }
