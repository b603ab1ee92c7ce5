package container

import (
	"cmp"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// InheritLimits gives p the caller's resource limits of the kinds that its configuration
// does not set, as a program that the caller executes has them. RLIMIT_SIGPENDING is
// left to the guest's kernel: it bounds what the sentry keeps.
func InheritLimits(p *specs.Process) {
	p.Rlimits = slices.Clone(p.Rlimits)
	for _, l := range hostLimits() {
		same := func(o specs.POSIXRlimit) bool { return o.Type == l.Type }
		if l.Type != "RLIMIT_SIGPENDING" && !slices.ContainsFunc(p.Rlimits, same) {
			p.Rlimits = append(p.Rlimits, l)
		}
	}
}

// hostLimits are the caller's, by name.
func hostLimits() []specs.POSIXRlimit {
	var ls []specs.POSIXRlimit
	for name, r := range control.Limits() {
		var l unix.Rlimit
		err := unix.Prlimit(0, r, nil, &l)
		if r == unix.RLIMIT_NOFILE {
			// Go's runtime raised the soft limit of this process at its start
			// and tells nobody what it was: most likely that of the parent.
			var parent unix.Rlimit
			if unix.Prlimit(os.Getppid(), r, nil, &parent) == nil {
				l.Cur = min(parent.Cur, l.Max)
			}
		}
		if err == nil {
			ls = append(ls, specs.POSIXRlimit{Type: name, Soft: l.Cur, Hard: l.Max})
		}
	}
	slices.SortFunc(ls, func(a, b specs.POSIXRlimit) int { return cmp.Compare(a.Type, b.Type) })
	return ls
}
