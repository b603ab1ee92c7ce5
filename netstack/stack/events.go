package stack

import (
	"slices"
	"sync"

	"hull/netstack/route"
)

// watchers are who is told of changes, in the order of the changes.
type watchers struct {
	mu     sync.Mutex
	fs     []*func(Event)
	queue  []Event
	active bool
}

// maxEvents bounds the events that wait to be told while somebody tells others.
const maxEvents = 1 << 16

// Watch has f called after each change, without locks, in order. It must not block.
func (s *Stack) Watch(f func(Event)) (cancel func()) {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &f
	w.fs = append(slices.Clone(w.fs), p)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if i := slices.Index(w.fs, p); i >= 0 {
			w.fs = slices.Delete(slices.Clone(w.fs), i, i+1)
		}
	}
}

// Notify tells the watchers of a change that the caller made himself: of rules and
// routes.
func (s *Stack) Notify(e Event) {
	s.epoch.Add(1)
	s.notify(e)
}

// notify tells the watchers. The caller may hold locks only if told is what calls
// them later.
func (s *Stack) notify(es ...Event) {
	w := &s.watch
	w.mu.Lock()
	if len(w.fs) > 0 && len(w.queue) < maxEvents {
		w.queue = append(w.queue, es...)
	}
	if w.active {
		w.mu.Unlock()
		return
	}
	w.active = true
	for len(w.queue) > 0 {
		q, fs := w.queue, w.fs
		w.queue = nil
		w.mu.Unlock()
		for _, e := range q {
			for _, f := range fs {
				(*f)(e)
			}
		}
		w.mu.Lock()
	}
	w.active = false
	w.mu.Unlock()
}

// events collects what a change made, and what is to be done after it, without
// the stack's lock.
type events struct {
	list  []Event
	after []func()
}

// then has f done after the change, without locks.
func (e *events) then(f func()) { e.after = append(e.after, f) }

func (e *events) link(n *NIC, removed bool) {
	e.list = append(e.list, Event{Kind: LinkEvent, Removed: removed, NIC: n.Info()})
}

func (e *events) addr(n *NIC, a *ifaddr, removed bool) {
	e.list = append(e.list, Event{
		Kind: AddrEvent, Removed: removed, NIC: NICInfo{Index: n.index, Name: n.Name()}, Addr: n.told(a), V6: a.Prefix.Addr().Is6(),
	})
}

func (e *events) route(r *route.Route, removed bool) {
	e.list = append(e.list, Event{Kind: RouteEvent, Removed: removed, Route: r, V6: is6(r)})
}

// change makes a change of the configuration, and tells of it when it is made.
func (s *Stack) change(do func(ev *events) error) error {
	var ev events
	s.mu.Lock()
	err := do(&ev)
	s.epoch.Add(1)
	s.mu.Unlock()
	if len(ev.list) > 0 {
		s.notify(ev.list...)
	}
	for _, f := range ev.after {
		f()
	}
	return err
}
