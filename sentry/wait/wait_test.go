package wait

import (
	"slices"
	"testing"
)

// told appends its name to a list when it is told; idle is a Claimer without anybody
// who waits.
type told struct {
	list *[]string
	name string
	idle bool
}

func (l *told) Notify(Mask)  { *l.list = append(*l.list, l.name) }
func (l *told) Claims() bool { return !l.idle }

func TestExclusive(t *testing.T) {
	var q Queue
	var list []string
	entry := func(name string, idle bool) *Entry {
		return &Entry{Listener: &told{&list, name, idle}}
	}
	check := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(list, want) {
			t.Errorf("%s: told %v, want %v", what, list, want)
		}
		list = nil
	}
	a, b, c, d := entry("a", false), entry("b", false), entry("c", true), entry("d", false)
	q.RegisterExclusive(a, In)
	q.Register(b, In)
	q.RegisterExclusive(c, In)
	q.RegisterExclusive(d, In)
	q.Notify(In)
	check("one of the exclusive ones", "a", "b")
	q.Notify(In)
	check("the next, and one that does not claim it", "b", "c", "d")
	q.Notify(Out)
	check("another event")
	q.NotifyAll(In | Hup)
	check("all", "b", "c", "a", "d")
	for _, e := range []*Entry{a, c, b, d} {
		q.Unregister(e)
	}
	if !q.Empty() {
		t.Error("entries were left")
	}
}
