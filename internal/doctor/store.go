package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"insolite/context/checkpoint/pebble"
)

// store sees that the store of contexts can be used.
func (p *patient) store(ctx context.Context) {
	if r := p.Config.State.Redis; r != nil {
		p.redis(ctx, strings.Join(r.Addresses, ","))
		return
	}
	p.folder()
}

// redis connects, which looks at the servers and changes nothing.
func (p *patient) redis(ctx context.Context, addresses string) {
	warned := false
	store, err := p.Redis(ctx, func(format string, args ...any) {
		warned = true
		message, cure, _ := strings.Cut(fmt.Sprintf(format, args...), "; ")
		p.warn(addresses, message, cmp.Or(cure, "see docs/state.md"))
	})
	if err != nil {
		message, cure, _ := strings.Cut(err.Error(), "; ")
		p.fail(addresses, message, cmp.Or(cure, "check state.redis: addresses, login and TLS"))
		return
	}
	if err := store.Close(); err != nil {
		p.warn(addresses, err.Error(), "look at the server's log")
	}
	if !warned {
		p.ok(addresses, "the servers answer, and keep what they are given")
	}
}

// folder sees that the folder of contexts can be written, and whether a process has it open.
func (p *patient) folder() {
	dir := p.Config.State.Path
	folder := dir
	for { // the nearest folder that is there
		info, err := os.Stat(folder)
		if err == nil && !info.IsDir() {
			p.fail(dir, folder+" is a file", "name a folder in state.pebble.path")
			return
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(folder) == folder {
			p.fail(dir, err.Error(), "correct state.pebble.path, or its rights")
			return
		}
		folder = filepath.Dir(folder)
	}
	f, err := os.CreateTemp(folder, ".doctor-")
	if err != nil {
		p.fail(dir, "the folder cannot be written: "+err.Error(), "give the user that runs the service the right to write to "+folder)
		return
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		p.fail(dir, err.Error(), "see to the disk of "+folder)
		return
	}
	free, held, err := pebble.Probe(dir, folder)
	switch {
	case err != nil:
		p.fail(dir, err.Error(), "see to the disk and the rights of "+folder)
	case free < pebble.FreeBytesMin:
		p.fail(dir, "less than 128 MiB are free, and the store needs them", "free some space; work goes on then")
	case held:
		p.ok(dir, "a process has it open, as an instance that runs does; %d MiB are free", free>>20)
	case folder != dir:
		p.ok(dir, "not there yet; it is created; %d MiB are free", free>>20)
	default:
		p.ok(dir, "it can be written, and nobody has it open; %d MiB are free", free>>20)
	}
}
