package boot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/platform/ptrace"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
	"hull/sentry/clock"
)

// Early is what a sentry has to make whatever its container is: it is made while
// the configuration is being decoded, which takes as long.
type Early struct {
	platform chan made[platform.Platform]
	filter   chan made[*jail.Filter]
	clocks   chan made[*clock.Clocks]
	files    uint64 // descriptors that the host lets this process have
}

// made is what a goroutine has made.
type made[T any] struct {
	it  T
	err error
}

// Begin starts making it.
func Begin(r *control.Role) *Early {
	rules, denied := jail.SentryRules(r.Platform), jail.Kill
	if r.HostNetwork {
		rules = append(rules, jail.HostNetworkRules()...)
	}
	if r.TrapDenied {
		denied = jail.Trap
	}
	var files unix.Rlimit
	if r.HostNetwork {
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files) // if not, there are no sockets
	}
	return &Early{
		files:    files.Cur,
		platform: begin(func() (platform.Platform, error) { return newPlatform(r.Platform) }),
		clocks:   begin(func() (*clock.Clocks, error) { return clock.New(clock.Offsets(r.Clock)), nil }),
		filter:   begin(func() (*jail.Filter, error) { return jail.Compile(rules, denied) }),
	}
}

// begin calls f on a goroutine.
func begin[T any](f func() (T, error)) chan made[T] {
	c := make(chan made[T], 1)
	go func() {
		it, err := f()
		c <- made[T]{it, err}
	}()
	return c
}

// newPlatform makes what runs guest code. It is made before the jail is sealed.
func newPlatform(name string) (platform.Platform, error) {
	switch name {
	case "ptrace":
		return ptrace.New()
	}
	return nil, fmt.Errorf("no platform %q", name)
}
