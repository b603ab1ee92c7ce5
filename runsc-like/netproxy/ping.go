package netproxy

import (
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// echoKey is who is pinged, and by which identifier.
type echoKey struct {
	dst netip.Addr
	id  uint16
}

// echo is a ping: a socket of the host for it (icmp(7), SOCK_DGRAM), which sees to
// the identifier itself.
type echo struct {
	key  echoKey
	src  netip.Addr
	host net.Conn
}

// echoPatience is how long a ping may be silent.
const echoPatience = 30 * time.Second

// isEcho reports whether the packet asks for an echo.
func (f *frame) isEcho(p *buffer.Packet) bool {
	b := f.transport(p)
	switch f.proto {
	case header.ProtocolICMP:
		return header.ICMPv4(b).Valid() && header.ICMPv4(b).Type() == header.ICMPv4Echo
	case header.ProtocolICMPv6:
		return header.ICMPv6(b).Valid() && header.ICMPv6(b).Type() == header.ICMPv6EchoRequest
	}
	return false
}

// echoIn handles a request of the guest's, which it takes.
func (t *translator) echoIn(p *buffer.Packet, f frame) {
	defer p.Release()
	if f.dst.IsMulticast() {
		return
	}
	b := make([]byte, f.size)
	b = b[:p.CopyTo(b, f.tran)]
	k := echoKey{f.dst, header.ICMPv4(b).ID()} // at the same place in both
	t.mu.Lock()
	e := t.echoes[k]
	full := len(t.echoes) >= maxEchoes
	t.mu.Unlock()
	if e == nil {
		if full {
			return
		}
		if _, err := t.p.target(netip.AddrPortFrom(f.dst, 0), "ping"); err != nil {
			if errno, ok := err.(unix.Errno); ok {
				t.unreachable(f, p.Head()[f.net:], errno)
			}
			return
		}
		c, err := dialEcho(f.dst)
		if err != nil {
			return // the host lets nobody ping (net.ipv4.ping_group_range)
		}
		e = &echo{k, f.src, c}
		t.mu.Lock()
		t.echoes[k] = e
		t.mu.Unlock()
		go t.receiveEcho(e)
	}
	_, _ = e.host.Write(b) // as on any wire
}

// dialEcho opens a socket for echoes of one address.
func dialEcho(a netip.Addr) (net.Conn, error) {
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	var to unix.Sockaddr
	if a.Is4() {
		to = &unix.SockaddrInet4{Addr: a.As4()}
	} else {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		to = &unix.SockaddrInet6{Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close()
	if err := unix.Connect(fd, to); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// receiveEcho sends the guest what comes back.
func (t *translator) receiveEcho(e *echo) {
	defer func() {
		t.mu.Lock()
		delete(t.echoes, e.key)
		t.mu.Unlock()
		_ = e.host.Close()
	}()
	b := make([]byte, maxDatagram)
	for {
		_ = e.host.SetReadDeadline(time.Now().Add(echoPatience)) // an error will be Read's
		n, err := e.host.Read(b)
		if err != nil {
			return
		}
		if n < header.ICMPv4Size {
			continue
		}
		p := t.p.pool.NewPacket(t.p.pool.CopyIn(b[header.ICMPv4Size:n])...)
		h := p.Prepend(header.ICMPv4Size)
		copy(h, b)
		put16(h[4:], e.key.id)
		put16(h[2:], 0)
		if e.src.Is4() {
			put16(h[2:], ^header.Checksum(b[header.ICMPv4Size:n], header.Checksum(h, 0)))
			t.send(p, header.ProtocolICMP, e.key.dst, e.src)
			continue
		}
		sum := header.Checksum(h, header.PseudoHeader(header.ProtocolICMPv6, e.key.dst, e.src, n))
		put16(h[2:], ^header.Checksum(b[header.ICMPv4Size:n], sum))
		t.send(p, header.ProtocolICMPv6, e.key.dst, e.src)
	}
}

// flush closes what is left when the proxy ends.
func (t *translator) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.datagram {
		_ = d.file.Close()
	}
	for _, e := range t.echoes {
		_ = e.host.Close()
	}
	for _, f := range t.byKey {
		if f.host != nil && f.late != nil {
			f.late.Stop()
			_ = f.host.Close()
		}
	}
}
