package oracle

import "slices"

// Minimize returns a part of the job and of the log on which differs still holds. No rule and no single line can be taken from it: what
// is left is what the difference needs. Offsets are those of the shorter log.
func Minimize(j Job, lines []string, differs func(Job, []string) bool) (Job, []string) {
	for i := len(j.Rules) - 1; i >= 0; i-- {
		fewer := j
		fewer.Rules = slices.Delete(slices.Clone(j.Rules), i, i+1)
		if len(fewer.Rules) > 0 && differs(fewer, lines) {
			j = fewer
		}
	}
	for size := max(1, len(lines)/2); ; size /= 2 {
		for from := 0; from < len(lines); {
			fewer := slices.Delete(slices.Clone(lines), from, min(from+size, len(lines)))
			if differs(j, fewer) {
				lines = fewer
			} else {
				from += size
			}
		}
		if size <= 1 {
			return j, lines
		}
	}
}
