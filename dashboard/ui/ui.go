// Package ui holds the dashboard's page: what the browser gets is in dist, built by Vite from the sources in src and committed, so that
// building the server needs Go only.
//
//	make ui             builds dist again; a test compares it with the sources, byte for byte
//	npm run dev         serves the sources, rebuilt as they change, with the API of a server that runs beside it
//	npm run check       types and lint
//
// The page is Preact components whose state is in signals, in TypeScript: main.tsx draws app.tsx, which draws the list (live.tsx), an
// alert (alert.tsx) or the pipeline (pipeline.tsx). What the page knows is in page.ts, the list of alerts in alerts.ts, the connection in
// stream.ts; api.ts has the types of what the server answers.
//
// Whoever changes it: an alert's text comes from strangers, so it is written as children or attributes of elements and never as markup;
// the page's policy refuses innerHTML. Styles are in style.css, and a figure that a style needs is a custom property of an element's style
// object. test/ drives the page in a real browser.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// Files returns the page's files by their plain names.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the directory's name is a constant
	}
	return files
}
