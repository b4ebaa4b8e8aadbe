package app

import (
	"os"
	"strconv"
)

// stamp tells one state of files from another: their names, sizes and times.
type stamp string

// stamp returns the present state of the files that the project is read from. A file that can't be looked at counts as one without size.
func (p *Project) stamp() stamp {
	paths := []string{p.Config.Path}
	for _, l := range p.Config.Lookups {
		paths = append(paths, l.File)
	}
	named := p.rulePaths
	if len(named) == 0 {
		named = p.Config.Rules
	}
	for _, path := range named {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			found, _ := ruleFiles(path) // what can't be read is told when the project is loaded
			paths = append(paths, found...)
			continue
		}
		paths = append(paths, path)
	}
	var b []byte
	for _, path := range paths {
		b = append(append(b, path...), 0)
		if info, err := os.Stat(path); err == nil {
			b = strconv.AppendInt(b, info.Size(), 10)
			b = strconv.AppendInt(append(b, ' '), info.ModTime().UnixNano(), 10)
		}
		b = append(b, 0)
	}
	return stamp(b)
}
