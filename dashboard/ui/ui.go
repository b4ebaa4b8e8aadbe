// Package ui holds the files of the dashboard's page: plain JavaScript modules, a style sheet and two HTML pages, without a build step and
// without anything from elsewhere. What is in static/ is what the browser gets.
//
// Whoever changes the scripts: an alert's text comes from strangers, so it becomes text nodes and never markup (el() of dom.js does that,
// and the page's policy refuses innerHTML); styles are set through the style sheet or element.style, never by a style attribute.
// test/ drives the page in a real browser.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed static
var static embed.FS

// Files returns the page's files by their plain names.
func Files() fs.FS {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the directory's name is a constant
	}
	return files
}
