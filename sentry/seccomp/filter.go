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

// Add returns f with a program more, which is asked first. ENOMEM if they are
// too many.
func (f *Filter) Add(p *Program, log bool) (*Filter, error) {
	n := &Filter{prog: p, prev: f, log: log, cost: p.cost() + costOfOne, depth: 1}
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
	m := machine{data: &Data{Nr: int32(nr), Arch: Arch}, numberOnly: true}
	ret, ok := m.run(p.code)
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

// Decide returns the strictest answer, and whether it is to be logged.
func (f *Filter) Decide(d *Data) (answer uint32, log bool) {
	answer = unix.SECCOMP_RET_ALLOW
	for ; f != nil; f = f.prev {
		// The newest wins among equals. The order of actions is that of signed
		// numbers: KILL_PROCESS has the highest bit.
		if a := f.prog.Run(d); int32(a&ActionMask) < int32(answer&ActionMask) {
			answer, log = a, f.log
		}
	}
	return answer, log
}
