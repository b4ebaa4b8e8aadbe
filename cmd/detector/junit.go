package main

import (
	"encoding/xml"
	"io"
	"strings"
)

// The elements of a JUnit report, as continuous integration reads them: a suite for each rule.
type junitReport struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	File     string      `xml:"file,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(w io.Writer, r *testReport) error {
	report := junitReport{Tests: len(r.Tests), Failures: r.Failed}
	for _, t := range r.Tests {
		if n := len(report.Suites); n == 0 || report.Suites[n-1].Name != t.Rule {
			report.Suites = append(report.Suites, junitSuite{Name: t.Rule, File: t.File})
		}
		s := &report.Suites[len(report.Suites)-1]
		c := junitCase{Class: t.Rule, Name: t.Name, File: t.File, Line: t.Line}
		if !t.Passed {
			var lines []string
			for _, p := range t.result.Problems {
				lines = append(lines, p.String())
			}
			c.Failure = &junitFailure{Message: t.Problems[0].Message, Text: strings.Join(lines, "\n")}
			s.Failures++
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
