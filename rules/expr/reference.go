package expr

import "strings"

// operatorRow is a row of the table of operators, from which the reference is made.
type operatorRow struct {
	names   []string
	doc     string
	example string // over the fields of the reference
}

// operators returns the table, by precedence from high to low.
func operators() []operatorRow {
	return []operatorRow{
		{[]string{"??"}, "the left side where it is known, else the right one; two sides of one kind.", `nickname ?? "none"`},
		{[]string{"-", "+"}, "before an int, a number or (- only) a duration; unknown for the least int.", "-items"},
		{[]string{"*", "/", "%"}, "of int and number: an int and a number make a number. * and % of two int are int, unknown on overflow and for % 0; the sign of % is that of its left side. / always makes a number, unknown for / 0. A duration / a duration is a number.", "items / 2"},
		{[]string{"not", "!"}, "true for false, false for true, unknown for unknown. It binds stronger than a comparison: not (items > 9).", `not has(nickname)`},
		{[]string{"+", "-"}, "of int and number as with *. A time - a time is a duration, a time + or - a duration a time, a duration + or - a duration a duration.", "at - prev.at"},
		{[]string{"==", "!="}, "of two sides of one kind, or of int and number. An ip may be compared with the text of an address.", `country == "IT"`},
		{[]string{"<", "<=", ">", ">="}, "of int, number, time, duration, and string byte by byte. A chain a < b <= c means a < b and b <= c.", "1 < items <= 3"},
		{[]string{"in", "not in"}, `of a string, an int or a number in a list of literals; of an ip in a list of addresses and prefixes, or in a single one: ip in "10.0.0.0/8"; of any of them but a number in list("name").`, `ip in ["10.0.0.0/8", "::1"]`},
		{[]string{"matches"}, "of a string and a literal pattern of RE2, which may match any part of it.", `country matches "^[A-Z]{2}$"`},
		{[]string{"contains", "startsWith", "endsWith"}, "of two strings, byte by byte. not may stand before them, and before matches.", `country not startsWith "F"`},
		{[]string{"and", "&&"}, "false when either side is false, else unknown when either is unknown, else true.", `nickname == "x" and items > 9`},
		{[]string{"or", "||"}, "true when either side is true, else unknown when either is unknown, else false.", `nickname == "x" or items > 9`},
		{[]string{"? :"}, "the second side when the first is true, the third when it is false, unknown when it is unknown; the second and the third are of one kind.", "items > 2 ? amount : 0"},
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
