package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"insolite/context/checkpoint/pebble"
)

// store sees that the folder of contexts can be written, and whether a process has it open.
func (p *patient) store(context.Context) {
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
