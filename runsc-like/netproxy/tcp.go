package netproxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/gonet"
	"hull/netstack/header"
)

// flow is a connection of TCP that the guest makes.
//
// Life: dialing (the host is asked; the guest's SYN waits) → open (the stack has the
// SYN, then the connection) → over (both sides have ended; what is left on the way
// still finds the stack) → gone. A dial that fails goes straight to gone.
type flow struct {
	key   key
	alias alias
	// These are guarded by the translator's lock.
	state flowState
	syn   *buffer.Packet // of dialing
	host  *net.TCPConn   // of open, until the stack has the connection
	since time.Time      // of over
	late  *time.Timer    // of open, until the stack has the connection
	names bool           // immutable: it is one to a name server
}

type flowState uint8

const (
	dialing flowState = iota
	open
	over
)

const (
	// dialPatience is how long the host may take for a connection.
	dialPatience = 60 * time.Second
	// acceptPatience is how long a guest may take to finish its handshake.
	acceptPatience = 60 * time.Second
	// lingering is how long what is over is remembered: for last segments.
	lingering = 60 * time.Second
)

// tcpIn handles a segment of the guest's, and reports whether it is for the stack.
func (t *translator) tcpIn(p *buffer.Packet, f frame) bool {
	tcp := header.TCP(f.transport(p))
	if !tcp.Valid(f.size) {
		p.Release()
		return false
	}
	k := key{netip.AddrPortFrom(f.src, tcp.SrcPort()), netip.AddrPortFrom(f.dst, tcp.DstPort())}
	isSYN := tcp.Flags()&(header.SYN|header.ACK|header.RST) == header.SYN
	t.mu.Lock()
	fl := t.byKey[k]
	if fl != nil && fl.state == over && isSYN {
		t.remove(fl) // the guest uses the port anew
		fl = nil
	}
	switch {
	case fl != nil && fl.state == dialing:
		t.mu.Unlock()
		p.Release() // the guest asks again
		return false
	case fl != nil:
		to := netip.AddrPortFrom(t.listenAddr(f.dst), listenPort)
		from := fl.alias
		t.mu.Unlock()
		f.rewrite(p, from, to)
		return true
	case isSYN:
		fl = t.newFlow(k, p)
		t.mu.Unlock()
		if fl == nil {
			p.Release() // the table is full: the guest will try again
			return false
		}
		go t.dial(fl, f)
		return false
	}
	t.mu.Unlock()
	if t.own(f.dst) {
		return true // of a connection that the stack has made, or of none
	}
	t.reset(f, tcp, f.size-tcp.DataOffset())
	p.Release()
	return false
}

// listenAddr is where the stack listens for addresses of a's family.
func (t *translator) listenAddr(a netip.Addr) netip.Addr {
	if a.Is4() {
		return hostAddr4()
	}
	return hostAddr6()
}

// newFlow makes a flow, nil if there is no room. t.mu is held.
func (t *translator) newFlow(k key, syn *buffer.Packet) *flow {
	if len(t.byKey) >= maxFlows {
		if now := time.Now(); now.Sub(t.expired) > time.Second { // it looks at all of them
			t.expired = now
			t.expire(now)
		}
		if len(t.byKey) >= maxFlows {
			return nil
		}
	}
	al := k.src
	for t.byAlias[al] != nil { // most are free: there are fewer flows
		t.next = max(t.next+1, 1)
		al = netip.AddrPortFrom(al.Addr(), t.next)
	}
	f := &flow{key: k, alias: al, syn: syn, names: k.dst.Addr() == dnsAddr4() || k.dst.Addr() == dnsAddr6()}
	t.byKey[k], t.byAlias[al] = f, f
	return f
}

// remove forgets a flow. t.mu is held.
func (t *translator) remove(f *flow) {
	if t.byKey[f.key] == f {
		delete(t.byKey, f.key)
	}
	if t.byAlias[f.alias] == f {
		delete(t.byAlias, f.alias)
	}
}

// expire forgets what has been over for long enough. t.mu is held.
func (t *translator) expire(now time.Time) {
	for _, f := range t.byKey {
		if f.state == over && now.Sub(f.since) > lingering {
			t.remove(f)
		}
	}
}

// dial asks the host, and lets the guest's SYN through or answers it.
func (t *translator) dial(fl *flow, f frame) {
	host, err := t.dialHost(fl.key.dst)
	t.mu.Lock()
	syn := fl.syn
	fl.syn = nil
	if err == nil {
		fl.state, fl.host = open, host
		fl.late = time.AfterFunc(acceptPatience, func() { t.forsake(fl) })
	} else {
		t.remove(fl)
	}
	up, al := t.up, fl.alias
	t.mu.Unlock()
	if err == nil {
		f.rewrite(syn, al, netip.AddrPortFrom(t.listenAddr(f.dst), listenPort))
		up.Deliver([]*buffer.Packet{syn})
		return
	}
	defer syn.Release()
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return // of time: the guest's own is over soon too
	}
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET:
		t.reset(f, header.TCP(f.transport(syn)), 0)
	case unix.ETIMEDOUT:
	default:
		t.unreachable(f, syn.Head()[f.net:], errno)
	}
}

// dialHost connects to what the guest means by dst.
func (t *translator) dialHost(dst netip.AddrPort) (*net.TCPConn, error) {
	targets, err := t.p.target(dst, "tcp")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.p.ctx, dialPatience)
	defer cancel()
	var d net.Dialer
	d.SetMultipathTCP(false) // it would look for it in a file
	for _, to := range targets {
		// With a local address, though it is none, Go would bind the socket.
		var c net.Conn
		if c, err = d.DialContext(ctx, "tcp", to.String()); err == nil {
			return c.(*net.TCPConn), nil
		}
	}
	return nil, err
}

// forsake ends a flow whose handshake the guest has not finished.
func (t *translator) forsake(f *flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.host != nil {
		_ = f.host.Close()
		f.host = nil
		t.remove(f)
	}
}

// opened returns the flow of a connection that the stack has, with its connection
// of the host; nil if it is none.
func (t *translator) opened(guest netip.AddrPort) *flow {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.byAlias[netip.AddrPortFrom(guest.Addr().Unmap(), guest.Port())]
	if f == nil || f.state != open || f.host == nil || f.late == nil {
		return nil
	}
	f.late.Stop()
	f.late = nil
	return f
}

// closed notes that a flow is over.
func (t *translator) closed(f *flow) {
	t.mu.Lock()
	f.state, f.since, f.host = over, time.Now(), nil
	t.mu.Unlock()
}

// splice moves bytes between the guest's connection and the host's until both
// directions have ended, or one has failed.
func (f *flow) splice(guest *gonet.Conn, p *Proxy) {
	splice(guest, f.host, p, f.names)
}

// splice is for connections in either direction.
func splice(guest *gonet.Conn, host *net.TCPConn, p *Proxy, names bool) {
	ends, parts := make(chan error, 2), 2
	if names {
		parts = 1
		go func() { ends <- p.serveNames(guest, host) }()
	} else {
		go func() { ends <- pass(guest, host, &p.buffers) }()
		go func() { ends <- pass(host, guest, &p.buffers) }()
	}
	// When the guest's side of the world ends, so does this.
	var err error
	for range parts {
		select {
		case e := <-ends:
			err = errors.Join(err, e)
		case <-p.ctx.Done():
			err = p.ctx.Err()
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		_ = guest.Abort()
		_ = host.SetLinger(0)
	}
	_, _ = guest.Close(), host.Close()
}

// out handles a packet of the stack's, and reports whether it goes to the guest.
func (t *translator) out(p *buffer.Packet) bool {
	b := p.Head()
	f, ok := parseOut(b)
	if !ok || f.proto != header.ProtocolTCP {
		return true
	}
	tcp := header.TCP(b[f.tran:])
	if len(tcp) < header.TCPMinSize || tcp.SrcPort() != listenPort {
		return true
	}
	t.mu.Lock()
	fl := t.byAlias[netip.AddrPortFrom(f.dst, tcp.DstPort())]
	var k key
	if fl != nil {
		k = fl.key
	}
	t.mu.Unlock()
	if fl == nil {
		return false
	}
	f.rewrite(p, k.dst, k.src)
	return true
}

// parseOut reads the headers of a packet of the stack's own.
func parseOut(b []byte) (f frame, ok bool) {
	e := header.Ethernet(b)
	if !e.Valid() {
		return f, false
	}
	f.net = header.EthernetSize
	switch rest := e.Payload(); e.Type() {
	case header.EtherTypeIPv4:
		h := header.IPv4(rest)
		if len(h) < header.IPv4MinSize || len(h) < h.IHL() || h.FragmentOffset() != 0 {
			return f, false
		}
		f.proto, f.src, f.dst, f.tran = h.Protocol(), h.SrcAddr(), h.DstAddr(), f.net+h.IHL()
	case header.EtherTypeIPv6:
		h := header.IPv6(rest)
		if len(h) < header.IPv6Size {
			return f, false
		}
		f.proto, f.src, f.dst, f.tran = h.Next(), h.SrcAddr(), h.DstAddr(), f.net+header.IPv6Size
	default:
		return f, false
	}
	return f, true
}
