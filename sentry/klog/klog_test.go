package klog

import (
	"strings"
	"testing"
	"time"
)

func TestLog(t *testing.T) {
	now := 12*time.Second + 34*time.Microsecond
	l := New(func() time.Duration { return now })
	l.Add(4, "one\ntwo")
	l.Add(6, "three")
	const one, three = "<4>[   12.000034] one two\n", "<6>[   12.000034] three\n"
	if got := l.All(Size, false); got != one+three {
		t.Errorf("all: %q", got)
	}
	if got := l.All(len(three)+5, false); got != three {
		t.Errorf("the newest that fit: %q", got)
	}
	if n := l.Unread(); n != len(one)+len(three) {
		t.Errorf("%d bytes unread", n)
	}
	if got := l.Next(len(one) + 1); got != one {
		t.Errorf("next: %q", got)
	}
	l.Clear()
	if got := l.All(Size, false); got != "" {
		t.Errorf("after clear: %q", got)
	}
	if got := l.Next(Size); got != three {
		t.Errorf("what was cleared and not taken: %q", got)
	}
}

// However much is added, so much is kept.
func TestBound(t *testing.T) {
	l := New(func() time.Duration { return 0 })
	for range 1000 {
		l.Add(0, strings.Repeat("x", 2*maxLine))
	}
	if n := len(l.All(10*Size, false)); n > Size || n < Size-2*maxLine {
		t.Errorf("%d bytes", n)
	}
	if n := l.Unread(); n > Size || n == 0 {
		t.Errorf("%d bytes unread", n)
	}
}
