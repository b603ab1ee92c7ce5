package stack

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/bpf"
	"hull/netstack/header"
)

// reuseGroup is sockets of UDP or listeners of TCP that share an address and port by
// SO_REUSEPORT. It is made with the first of them that packets may be for.
type reuseGroup struct {
	// members are in the order in which they came; the last one takes the place of
	// one that leaves, as on Linux. A list is never changed. Written under the lock of
	// the demux's shard.
	members atomic.Pointer[[]*binding]
	program atomic.Pointer[bpf.Program] // SO_ATTACH_REUSEPORT_CBPF, or nil
}

// together reports whether two sockets of a port are of one group.
func (b *binding) together(o *binding) bool {
	return b.reusePort && o.reusePort && b.addr == o.addr && b.device == o.device && b.v6 == o.v6 && b.v6only == o.v6only && b.uid == o.uid
}

// join puts b into the group of those of list that it goes together with. The caller
// holds the shard's lock.
func (b *binding) join(list []*binding) {
	if !b.reusePort {
		return
	}
	var g *reuseGroup
	for _, o := range list {
		if o != b && b.together(o) && o.group.Load() != nil {
			g = o.group.Load()
			break
		}
	}
	if g == nil {
		g = &reuseGroup{}
		g.members.Store(&[]*binding{})
		g.program.Store(b.program)
	}
	ms := append(slices.Clone(*g.members.Load()), b)
	g.members.Store(&ms)
	b.group.Store(g)
}

// part takes b out of its group. The caller holds the shard's lock.
func (b *binding) part() {
	g := b.group.Swap(nil)
	if g == nil {
		return
	}
	ms := slices.Clone(*g.members.Load())
	if i := slices.Index(ms, b); i >= 0 {
		last := len(ms) - 1
		ms[i] = ms[last]
		ms = ms[:last]
		g.members.Store(&ms)
	}
}

// choose has the group's program say whom a packet is for: it sees the packet from
// its transport's payload on and returns a number. nil if there is no program, or
// nobody with that number. g may be nil.
func (g *reuseGroup) choose(r *received) *binding {
	if g == nil {
		return nil
	}
	f, p, n := g.program.Load(), r.pkt, r.nic
	if f == nil {
		return nil
	}
	head := header.UDPSize
	if r.proto == unix.IPPROTO_TCP {
		if !p.Pull(header.TCPMinSize) {
			return nil
		}
		head = header.TCP(p.Head()).DataOffset()
	}
	if !p.Pull(head) {
		return nil
	}
	p.TrimFront(head)
	b := bpf.Packet{Data: p.Head(), Len: p.Len(), Tail: p.CopyTo, IfIndex: uint32(n.index), HWType: uint16(n.hw), Mark: p.Mark, Random: uint32(n.stack.randomUint64())}
	v := f.Run(seen(p, &b))
	p.Restore(head)
	if ms := *g.members.Load(); uint64(v) < uint64(len(ms)) {
		return ms[v]
	}
	return nil
}

// setReuseProgram is SO_ATTACH_REUSEPORT_CBPF and SO_DETACH_REUSEPORT_BPF: EPERM,
// EINVAL for a socket that is of no group and will not be, ENOENT.
func (c *common) setReuseProgram(name int, value []byte) error {
	var f *bpf.Program
	if name == unix.SO_ATTACH_REUSEPORT_CBPF {
		var err error
		if f, err = bpf.Parse(value); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f != nil && c.flags&fLockFilter != 0 {
		return unix.EPERM
	}
	var b *binding
	if x, ok := c.self.(interface{ offered() *binding }); ok {
		b = x.offered()
	}
	if b == nil { // nobody finds it yet
		if f != nil {
			if c.flags&fReusePort == 0 {
				return unix.EINVAL
			}
			c.reuseProgram, c.reuseAlone = f, true
			return nil
		}
		if c.flags&fReusePort == 0 {
			return unix.EINVAL
		}
		if c.reuseProgram == nil {
			return unix.ENOENT
		}
		c.reuseProgram = nil
		return nil
	}
	g := b.group.Load()
	switch {
	case g == nil && (f != nil || c.flags&fReusePort == 0):
		return unix.EINVAL
	case g == nil:
		return unix.ENOENT
	}
	if old := g.program.Swap(f); old == nil && f == nil {
		return unix.ENOENT
	}
	return nil
}

// offered is the socket's hold on a port if packets may be for it. The caller holds
// the lock.
func (u *udpSocket) offered() *binding { return u.b }

func (t *tcpSocket) offered() *binding {
	if t.phase != tcpListening {
		return nil
	}
	return t.bind
}
