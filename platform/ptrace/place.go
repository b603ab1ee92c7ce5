package ptrace

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A stub and the sentry thread that serves it belong on one processor: a round
// trip across two takes six times as long on machines where a wake-up is an
// inter-processor interrupt through a hypervisor. placement spreads such pairs.
type placement struct {
	all  unix.CPUSet
	cpus []int          // those the sentry may use
	load []atomic.Int32 // how many contexts are in Switch, by index in cpus
	last atomic.Int32   // index in cpus of who left last
	born time.Time      // what now counts from
}

// moveAfter is how many times running a context must find its processor taken
// and another one free before it moves: moving costs two system calls and a
// cold cache.
const moveAfter = 16

// joinAfter is how often a context must have slept before it ran and found at
// most one other in Switch, counted twice and less the times that it had not
// slept, until it moves to where that one is.
// Such contexts take turns: what one of them wakes is quicker woken on the same
// processor.
const joinAfter = 16

// sleepAtLeast is how long a context is out of Switch when its task slept: a
// system call that does not takes less.
const sleepAtLeast = 12 * time.Microsecond

func newPlacement() (*placement, error) {
	p := &placement{born: time.Now()}
	if err := unix.SchedGetaffinity(0, &p.all); err != nil {
		return nil, err
	}
	for cpu := range len(p.all) * 64 {
		if p.all.IsSet(cpu) {
			p.cpus = append(p.cpus, cpu)
		}
	}
	p.load = make([]atomic.Int32, len(p.cpus))
	return p, nil
}

// now reads one clock, of the two that time.Now does.
func (p *placement) now() time.Duration { return time.Since(p.born) }

// pair is where a sentry thread and its stub run.
type pair struct {
	home    int           // index in placement.cpus, -1 before the first choice
	crowded int           // how many times running there was somebody else there
	turns   int           // how often it slept before, see joinAfter
	left    time.Duration // when it left Switch, see placement.now
	// loose says that the balancer has let go of the stub thread.
	loose atomic.Bool
}

// enter counts the pair in and, if need be, moves it; stub is its stub thread.
func (p *placement) enter(at *pair, stub int32) {
	switch {
	case at.home < 0 || at.loose.Load() && at.loose.Swap(false):
		p.move(at, p.pick(), stub)
	case p.now()-at.left >= sleepAtLeast:
		at.crowded = 0
		p.join(at, stub)
	case p.load[at.home].Load() == 0:
		at.crowded, at.turns = 0, max(0, at.turns-1)
	default:
		at.turns = max(0, at.turns-1)
		if at.crowded++; at.crowded < moveAfter {
			break
		}
		at.crowded = 0
		if to := p.pick(); p.load[to].Load() < p.load[at.home].Load() {
			p.move(at, to, stub)
		}
	}
	p.load[at.home].Add(1)
}

// join moves a pair that slept to the processor of the one that it takes turns
// with.
func (p *placement) join(at *pair, stub int32) {
	others := int32(0)
	for i := range p.load {
		others += p.load[i].Load()
	}
	last := int(p.last.Load())
	if others > 1 || last >= at.home {
		// Of two the one with the higher number moves, lest they change places.
		at.turns = 0
		return
	}
	if at.turns += 2; at.turns >= joinAfter {
		at.turns = 0
		p.move(at, last, stub)
	}
}

// leave counts the pair out.
func (p *placement) leave(at *pair) {
	p.load[at.home].Add(-1)
	p.last.Store(int32(at.home))
	at.left = p.now()
}

// pick returns the least loaded processor, of equals the one the caller is on.
func (p *placement) pick() int {
	here, best := currentCPU(), 0
	for i, cpu := range p.cpus {
		if l, b := p.load[i].Load(), p.load[best].Load(); l < b || l == b && cpu == here {
			best = i
		}
	}
	return best
}

// move pins the pair to the processor with index to.
func (p *placement) move(at *pair, to int, stub int32) {
	at.home = to
	p.pin(at, stub)
}

// pin puts both threads of a pair where the pair belongs.
func (p *placement) pin(at *pair, stub int32) {
	if len(p.cpus) == 1 || at.home < 0 {
		return
	}
	var one unix.CPUSet
	one.Set(p.cpus[at.home])
	setAffinity(0, &one)
	setAffinity(stub, &one)
}

// unpin lets the calling thread run anywhere again.
func (p *placement) unpin() {
	if len(p.cpus) > 1 {
		setAffinity(0, &p.all)
	}
}
