package seccomp

import "golang.org/x/sys/unix"

// Arch is AUDIT_ARCH_X86_64: what Data.Arch is for every call that reaches a
// filter here. There is no gate for calls of other architectures.
const Arch = 0xc000003e

// What a filter's answer is made of.
const (
	ActionMask = 0xffff0000
	DataMask   = 0x0000ffff
)

// Filter is a program with those that were there before it: what a task has. A
// nil *Filter has none.
type Filter struct {
	prog *Program
	prev *Filter
	// Log says that what it denies is to be logged (SECCOMP_FILTER_FLAG_LOG).
	log bool
	// listener gets the calls that prog hands over; nil if it has none.
	listener *Listener
	// cost is what Linux bounds: the programs' costs, and four for each.
	cost int
	// depth is how many they are.
	depth int
	// allowed has a bit for each number that all of them allow whatever the
	// arguments are.
	allowed [numbers / 64]uint64
}

const (
	maxCost     = 32768 // MAX_INSNS_PER_PATH
	costOfOne   = 4
	numbers     = 512 // of system calls that are looked up in allowed
	bitsPerWord = 64
)

// Add returns f with a program more, which is asked first. l, if not nil, gets the
// calls that it hands over; EBUSY if f has such a listener already. ENOMEM if the
// programs are too many.
func (f *Filter) Add(p *Program, log bool, l *Listener) (*Filter, error) {
	n := &Filter{prog: p, prev: f, log: log, listener: l, cost: p.cost() + costOfOne, depth: 1}
	for o := f; l != nil && o != nil; o = o.prev {
		if o.listener != nil && !o.listener.closed() {
			return nil, unix.EBUSY
		}
	}
	if f != nil {
		n.cost += f.cost
		n.depth += f.depth
	}
	if n.cost > maxCost {
		return nil, unix.ENOMEM
	}
	for nr := range numbers {
		if (f == nil || f.allows(nr)) && p.allowsNumber(nr) {
			n.allowed[nr/bitsPerWord] |= 1 << (nr % bitsPerWord)
		}
	}
	return n, nil
}

// allowsNumber reports whether the program allows the call nr without looking at
// anything else.
func (p *Program) allowsNumber(nr int) bool {
	ret, ok := p.run(&Data{Nr: int32(nr), Arch: Arch}, true)
	return ok && ret&ActionMask == unix.SECCOMP_RET_ALLOW
}

func (f *Filter) allows(nr int) bool {
	return f.allowed[nr/bitsPerWord]&(1<<(nr%bitsPerWord)) != 0
}

// Depth returns how many programs f has.
func (f *Filter) Depth() int {
	if f == nil {
		return 0
	}
	return f.depth
}

// Descends reports whether f is old with programs more, or old itself.
func (f *Filter) Descends(old *Filter) bool {
	for ; f != nil; f = f.prev {
		if f == old {
			return true
		}
	}
	return old == nil
}

// Allows reports whether the call nr is allowed whatever its arguments are: the
// quick answer to most calls.
func (f *Filter) Allows(nr uintptr) bool { return nr < numbers && f.allows(int(nr)) }

// Join tells the listeners of f, down to old, of a task more that has it.
func (f *Filter) Join(old *Filter) {
	for ; f != nil && f != old; f = f.prev {
		if f.listener != nil {
			f.listener.Join()
		}
	}
}

// Leave is the end of Join.
func (f *Filter) Leave() {
	for ; f != nil; f = f.prev {
		if f.listener != nil {
			f.listener.Leave()
		}
	}
}

// Decide returns the strictest answer, whether it is to be logged, and the
// listener of the program that gave it.
func (f *Filter) Decide(d *Data) (answer uint32, log bool, l *Listener) {
	answer = unix.SECCOMP_RET_ALLOW
	for ; f != nil; f = f.prev {
		// The newest wins among equals. The order of actions is that of signed
		// numbers: KILL_PROCESS has the highest bit.
		if a := f.prog.Run(d); int32(a&ActionMask) < int32(answer&ActionMask) {
			answer, log, l = a, f.log, f.listener
		}
	}
	return answer, log, l
}
