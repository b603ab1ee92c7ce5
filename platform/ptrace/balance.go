package ptrace

import (
	"sync/atomic"
	"time"

	"hull/sentry/lock"
)

// balancer lets go of stub threads that compute for long. A pinned thread is
// moved by placement when it traps; one that does not trap would share its
// processor with another for ever while a third stands idle. Where a thread
// that never traps runs is the host scheduler's business.
type balancer struct {
	wake   chan struct{}
	asleep atomic.Bool // nothing to watch: the next Switch has to say so

	mu       lock.Mutex[lock.Leaf]
	contexts map[*context]uint64 // guarded by mu: those with a worker → turns when last seen
}

// patience is how long guest code may run before its thread is let go: many
// time slices, so that what moving it costs does not show.
const patience = 50 * time.Millisecond

func newBalancer() *balancer {
	return &balancer{wake: make(chan struct{}, 1), contexts: make(map[*context]uint64)}
}

func (b *balancer) add(c *context) {
	b.mu.Lock()
	b.contexts[c] = c.turns.Load()
	b.mu.Unlock()
}

func (b *balancer) remove(c *context) {
	b.mu.Lock()
	delete(b.contexts, c)
	b.mu.Unlock()
}

// active is called at each Switch, once the balancer can see whom to let go.
func (b *balancer) active() {
	if b.asleep.Load() && b.asleep.CompareAndSwap(true, false) {
		b.wake <- struct{}{}
	}
}

// watch runs until end is closed. It does not tick while no guest code runs
// that could still be let go.
func (b *balancer) watch(p *placement, end <-chan struct{}) {
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-end:
			return
		}
		// Asleep before looking: a Switch that the look misses sends a token.
		b.asleep.Store(true)
		if b.look(p) {
			b.active()
		} else {
			tick.Stop()
		}
		select {
		case <-b.wake:
			tick.Reset(patience)
		case <-end:
			return
		}
	}
}

// look lets go of the threads that have run since the last look, and reports
// whether there is anything to look at again.
func (b *balancer) look(p *placement) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	again := false
	for c, seen := range b.contexts {
		turns := c.turns.Load()
		id := c.inGuest.Load()
		if turns != seen {
			b.contexts[c] = turns
			again = true
		} else if id != 0 && !c.at.loose.Load() {
			setAffinity(int32(id), &p.all)
			c.at.loose.Store(true)
		}
	}
	return again
}
