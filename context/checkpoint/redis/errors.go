package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"insolite/context/checkpoint"
)

// Causes that have a cure, by the beginning of what the server answers.
var cures = []struct{ prefix, cure string }{
	{"WRONGPASS", "correct state.redis.username and state.redis.password"},
	{"NOAUTH", "the server asks for a login: set state.redis.password, and state.redis.username for an ACL user"},
	{"NOPERM", "grant the ACL user what docs/state.md lists"},
	{"MISCONF", "the server cannot save its data: see to its disk"},
	{"LOADING", "it reads its data after a start; work goes on when it has"},
	{"READONLY", "it is a replica now; work goes on when the new master is found"},
	{"MASTERDOWN", "its master is away; work goes on when there is one"},
	{"CLUSTERDOWN", "the Cluster has slots that nobody serves; see to its nodes"},
	{"TRYAGAIN", "the Cluster moves the task's slot; work goes on when it has"},
}

// told gives an error its cure, and its place in the contract.
func (s *Store) told(err error) error {
	if s.closed.Load() || errors.Is(err, redis.ErrClosed) {
		return checkpoint.ErrClosed
	}
	if strings.Contains(err.Error(), "all sentinels") {
		return fmt.Errorf("%s: %w; see that the addresses are Sentinels, and that they know the name in state.redis.sentinel_master", s.name(), err)
	}
	text := answer(err)
	if strings.HasPrefix(text, "OOM") {
		return fmt.Errorf("%w: %s: %w; raise its maxmemory, or add nodes; work goes on then", checkpoint.ErrFull, s.name(), err)
	}
	for _, c := range cures {
		if strings.HasPrefix(text, c.prefix) {
			return fmt.Errorf("%s: %w; %s", s.name(), err, c.cure)
		}
	}
	return fmt.Errorf("%s: %w", s.name(), err)
}

// answer returns what the server has said, without what the client has put around it; empty when it said nothing.
func answer(err error) string {
	if said, ok := errors.AsType[redis.Error](err); ok {
		return said.Error()
	}
	return ""
}

// refused reports whether the server has answered that it does not run the script. Any other error leaves open whether it has.
func refused(err error) bool {
	text := answer(err)
	for _, c := range cures {
		if strings.HasPrefix(text, c.prefix) {
			return true
		}
	}
	return strings.HasPrefix(text, "OOM")
}
