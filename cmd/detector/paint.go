package main

import (
	"io"
	"strconv"
	"strings"
)

// paint colours text on a terminal; elsewhere it leaves it as it is.
type paint bool

func paintFor(w io.Writer) paint { return paint(colour(w)) }

func (p paint) in(code, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) bold(text string) string   { return p.in("1", text) }
func (p paint) dim(text string) string    { return p.in("2", text) }
func (p paint) red(text string) string    { return p.in("31", text) }
func (p paint) green(text string) string  { return p.in("32", text) }
func (p paint) yellow(text string) string { return p.in("33", text) }

// count writes a number with its thing: "1 rule", "2 rules".
func count[N int | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

// thousands writes a number with commas between the thousands.
func thousands[N int | uint64](n N) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// indent puts a margin before every line of a text.
func indent(margin, text string) string {
	return margin + strings.ReplaceAll(text, "\n", "\n"+margin)
}
