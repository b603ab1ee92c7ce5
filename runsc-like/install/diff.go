package install

import (
	"fmt"
	"strings"
)

// Diff shows a change as diff -u does, as one piece: what an edit changes is
// close together.
func (c *Change) Diff() string {
	if !c.Changed() {
		return ""
	}
	a, b := lines(c.Before), lines(c.After)
	head, tail := 0, 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	const context = 3
	from, after := max(head-context, 0), min(tail, context)
	endA, endB := len(a)-tail+after, len(b)-tail+after
	var s strings.Builder
	name := func(b []byte) string {
		if b == nil {
			return "/dev/null"
		}
		return c.File
	}
	fmt.Fprintf(&s, "--- %s\n+++ %s\n@@ -%s +%s @@\n", name(c.Before), name(c.After), span(from, endA), span(from, endB))
	write := func(mark string, list []string) {
		for _, l := range list {
			s.WriteString(mark + strings.TrimSuffix(l, "\n") + "\n")
			if !strings.HasSuffix(l, "\n") {
				s.WriteString("\\ No newline at end of file\n")
			}
		}
	}
	write(" ", a[from:head])
	write("-", a[head:len(a)-tail])
	write("+", b[head:len(b)-tail])
	write(" ", a[len(a)-tail:endA])
	return s.String()
}

func span(from, to int) string {
	if to == from {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
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
