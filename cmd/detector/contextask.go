package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"insolite/internal/app"
)

// Bounds of asking instances.
const (
	askTimeout   = 20 * time.Second
	dialTimeout  = 3 * time.Second
	answerMax    = 16 << 20
	followedMost = 3 // from one owner to the next: the group may be rebalancing
)

// awayError is an instance that does not answer.
type awayError struct{ error }

// instances is the client for admin listeners. A proxy is for the world outside.
var instances = &http.Client{Timeout: askTimeout, Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, DisableKeepAlives: true}}

// askContext asks one instance.
func askContext(ctx context.Context, instance string, query url.Values) (*app.ContextAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+instance+"/context?"+query.Encode(), nil)
	if err != nil {
		return nil, invalid("the admin address %q is none; write it as HOST:PORT", instance)
	}
	response, err := instances.Do(request)
	if err != nil {
		return nil, &awayError{err}
	}
	defer func() { _ = response.Body.Close() }()
	body := json.NewDecoder(io.LimitReader(response.Body, answerMax))
	body.UseNumber()
	if response.StatusCode != http.StatusOK {
		var problem struct{ Error string }
		if err := body.Decode(&problem); err != nil || problem.Error == "" {
			return nil, &awayError{fmt.Errorf("%s answers with %s; is it the admin listener of this version?", instance, response.Status)}
		}
		if response.StatusCode == http.StatusBadRequest {
			return nil, invalid("%s", problem.Error)
		}
		return nil, fmt.Errorf("%s: %s", instance, problem.Error)
	}
	answer := &app.ContextAnswer{}
	if err := body.Decode(answer); err != nil {
		return nil, &awayError{fmt.Errorf("%s: its answer can't be read: %w", instance, err)}
	}
	return answer, nil
}

// follow asks the instances that have the places of an answer.
func follow(ctx context.Context, a *app.ContextAnswer, query url.Values) {
	for i := range a.Places {
		p := &a.Places[i]
		expected := p.Expected
		for range followedMost {
			if p.From != "" || p.Problem != "" {
				break
			}
			followOne(ctx, p, query)
		}
		if p.Expected = expected; p.From == "" && p.Problem == "" {
			p.Problem = "the partition moves from instance to instance; ask again when the consumer group has settled"
		}
	}
}

// followOne asks the instance that has a place.
func followOne(ctx context.Context, p *app.ContextPlace, query url.Values) {
	if elsewhere(p) {
		p.Problem = fmt.Sprintf("the instance at %s listens on %s, which only it can reach; run the command there, or give admin.listen an address that others reach", p.Host, p.Instance)
		return
	}
	q := maps.Clone(query)
	q.Set("topic", p.Topic)
	q.Set("partition", strconv.Itoa(int(p.Partition)))
	answer, err := askContext(ctx, p.Instance, q)
	switch {
	case err != nil:
		p.Problem = err.Error()
	case len(answer.Places) != 1:
		p.Problem = fmt.Sprintf("%s answers about %d partitions instead of one", p.Instance, len(answer.Places))
	default:
		*p = answer.Places[0]
	}
}

// elsewhere reports whether a place's instance can only be reached from a machine that is not this one.
func elsewhere(p *app.ContextPlace) bool {
	host, _, err := net.SplitHostPort(p.Instance)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return false
	}
	at := net.ParseIP(p.Host)
	if at == nil || at.IsLoopback() {
		return false
	}
	own, err := net.InterfaceAddrs()
	return err == nil && !slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(at)
	})
}
