package expr

import "strings"

// operatorRow is a row of the table of operators, from which the reference is made.
type operatorRow struct {
	names []string
	form  string // an example
	doc   string
}

// operators returns the table, by precedence from high to low.
func operators() []operatorRow {
	return []operatorRow{
		{[]string{"not", "!"}, "not x", "of a bool: true for false, unknown for unknown."},
		{[]string{"+", "-"}, "-x", "before an int, a number or (- only) a duration; unknown for the least int."},
		{[]string{"??"}, "x ?? y", "x where it is known, else y; two sides of one kind."},
		{[]string{"*", "/", "%"}, "x / y", "of int and number. An int and a number make a number; * and % of two int are int, unknown on overflow and for % 0; the sign of % is that of x. / is always a number, unknown for / 0. A duration / a duration is a number."},
		{[]string{"+", "-"}, "x - y", "of int and number like *. A time - a time is a duration, a time + or - a duration a time, a duration + or - a duration a duration."},
		{[]string{"==", "!="}, `x == "IT"`, "of two sides of one kind, int and number mixed included. An ip may be compared with the text of an address."},
		{[]string{"<", "<=", ">", ">="}, "x < y <= z", "of int, number, time, duration and string (byte by byte). A chain means x < y and y <= z."},
		{[]string{"in", "not in"}, `ip in ["10.0.0.0/8", "::1"]`, `of a string, an int, a number or an ip in a list of literals or in list("name"); an ip in a list of addresses and prefixes, or in a single one: ip in "10.0.0.0/8".`},
		{[]string{"matches"}, `x matches "^4[0-9]+$"`, "of a string and a literal pattern of RE2."},
		{[]string{"contains", "startsWith", "endsWith"}, `x contains "ring"`, "of two strings, byte by byte."},
		{[]string{"and", "&&"}, "x and y", "false when either side is false, else unknown when either is unknown."},
		{[]string{"or", "||"}, "x or y", "true when either side is true, else unknown when either is unknown."},
		{[]string{"? :"}, "x ? y : z", "y when x is true, z when it is false, unknown when it is unknown; y and z of one kind."},
	}
}

// operatorNames returns every operator once.
func operatorNames() string {
	var names []string
	seen := map[string]bool{}
	for _, row := range operators() {
		for _, name := range row.names {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, " ")
}
