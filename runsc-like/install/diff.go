package install

import (
	"fmt"
	"strings"
)

// Diff shows a change as diff -u does.
func (c *Change) Diff() string {
	if !c.Changed() {
		return ""
	}
	name := func(b []byte) string {
		if b == nil {
			return "/dev/null"
		}
		return c.File
	}
	var s strings.Builder
	fmt.Fprintf(&s, "--- %s\n+++ %s\n", name(c.Before), name(c.After))
	edits := diff(lines(c.Before), lines(c.After))
	const context = 3
	for from := 0; from < len(edits); {
		if edits[from].mark == same {
			from++
			continue
		}
		// A piece goes on until there is more between two changes than both show.
		to, kept := from, 0
		for end := from; end < len(edits) && kept <= 2*context; end++ {
			if kept++; edits[end].mark != same {
				to, kept = end+1, 0
			}
		}
		end := min(to+context, len(edits))
		writePiece(&s, edits[max(from-context, 0):end])
		from = end
	}
	return s.String()
}

// The marks of a line, as diff -u has them.
const (
	same    = ' '
	removed = '-'
	put     = '+'
)

// edit is a line of either text, or of both.
type edit struct {
	mark rune
	text string
	a, b int // how many lines of each text are before it
}

// maxCells bounds the work of diff.
const maxCells = 1 << 22

// diff returns the lines of both texts in order, as few as possible of them not
// common. Of texts that differ in too much, all that does is exchanged.
func diff(a, b []string) []edit {
	head, tail := 0, 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	n, m := len(a)-head-tail, len(b)-head-tail
	// common[i][j] is how many lines what begins at i and j has in common.
	var common [][]int
	if (n+1)*(m+1) <= maxCells {
		common = make([][]int, n+1)
		for i := range common {
			common[i] = make([]int, m+1)
		}
		for i := n - 1; i >= 0; i-- {
			for j := m - 1; j >= 0; j-- {
				common[i][j] = max(common[i+1][j], common[i][j+1])
				if a[head+i] == b[head+j] {
					common[i][j] = common[i+1][j+1] + 1
				}
			}
		}
	}
	var list []edit
	i, j := 0, 0
	add := func(mark rune) {
		e := edit{mark: mark, a: i, b: j}
		if mark != put {
			e.text = a[i]
			i++
		} else {
			e.text = b[j]
		}
		if mark != removed {
			j++
		}
		list = append(list, e)
	}
	for i < len(a) || j < len(b) {
		x, y := i-head, j-head
		inside := x >= 0 && x < n && y >= 0 && y < m
		switch {
		case i < head || x >= n && y >= m, inside && common != nil && a[i] == b[j]:
			add(same)
		case inside && (common == nil || common[x+1][y] >= common[x][y+1]), y >= m:
			add(removed)
		default:
			add(put)
		}
	}
	return list
}

// writePiece writes neighbouring lines.
func writePiece(s *strings.Builder, list []edit) {
	olds, news := 0, 0
	for _, e := range list {
		if e.mark != put {
			olds++
		}
		if e.mark != removed {
			news++
		}
	}
	fmt.Fprintf(s, "@@ -%s +%s @@\n", span(list[0].a, olds), span(list[0].b, news))
	for _, e := range list {
		fmt.Fprintf(s, "%c%s\n", e.mark, strings.TrimSuffix(e.text, "\n"))
		if !strings.HasSuffix(e.text, "\n") {
			s.WriteString("\\ No newline at end of file\n")
		}
	}
}

// span is what a piece says of n lines behind the first from.
func span(from, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, n)
}

func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	l := strings.SplitAfter(string(b), "\n")
	if l[len(l)-1] == "" {
		l = l[:len(l)-1]
	}
	return l
}
