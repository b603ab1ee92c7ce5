package hostinet

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// guestMemory is memory that is offered as mm offers it, without an allocation.
type guestMemory struct {
	usermem.Bytes
	iov []unix.Iovec
}

func (g *guestMemory) Direct(rs []usermem.Range, max uint64, _ bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	g.iov[0].Base = &g.Bytes[rs[0].Start]
	g.iov[0].SetLen(int(min(max, rs[0].Len())))
	return f(g.iov)
}

// A message there and back, and the question whether it is there, allocate next to nothing.
func TestAllocations(t *testing.T) {
	if lock.Checking {
		t.Skip("checking the order of locks allocates, at each turn of the wait below")
	}
	w := newWorld(t, 100)
	a, b := w.bound(unix.SOCK_DGRAM), w.bound(unix.SOCK_DGRAM)
	ok(t, a.Connect(w.task, loopback4(portOf(t, b))))
	mem := &guestMemory{make(usermem.Bytes, 4096), make([]unix.Iovec, 1)}
	m := &socket.Message{}
	n := testing.AllocsPerRun(1000, func() {
		m.Flags, m.Addr = 0, nil
		if _, err := a.Send(w.task, usermem.One(mem, 0, 64), m); err != nil {
			t.Fatal(err)
		}
		for b.Readiness(wait.In) == 0 {
		}
		if _, err := b.Recv(w.task, usermem.One(mem, 0, 4096), m); err != nil {
			t.Fatal(err)
		}
	})
	// usermem.Buffer.Direct makes the list of ranges; a pool under the race detector
	// forgets some of what it had.
	if n > 3 {
		t.Errorf("%.0f allocations", n)
	}
}
