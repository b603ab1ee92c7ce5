package netproxy

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// datagrams are those from and to one address of the guest: a socket of the host,
// which has one address for all whom the guest writes to (RFC 4787 REQ-1). Whoever the
// guest may reach may answer there, also if it was not asked (REQ-8's endpoint-independent
// filtering): so two guests behind such proxies find each other.
type datagrams struct {
	guest netip.AddrPort // immutable
	file  *os.File       // immutable: the socket
	raw   syscall.RawConn

	// Guarded by the translator's lock.
	last time.Time
	out  map[netip.AddrPort]netip.AddrPort // whom the guest writes to → where that is on the host's side
	back map[netip.AddrPort]netip.AddrPort // the opposite
}

const (
	// datagramPatience is how long an address of the guest may be silent (RFC 4787
	// section 4.3 asks for two minutes).
	datagramPatience = 2 * time.Minute
	// namePatience is how long a name server may take before another is asked.
	namePatience = 3 * time.Second
	maxQueries   = 256 // to name servers at a time
	maxDatagram  = 65535
	maxPeers     = 1024 // of one address of the guest
)

// udpIn handles a datagram of the guest's, and reports whether it is for the stack.
func (t *translator) udpIn(p *buffer.Packet, f frame) bool {
	h := header.UDP(f.transport(p))
	if len(h) >= header.UDPSize && t.isBound(netip.AddrPortFrom(f.dst, h.DstPort())) {
		return true
	}
	t.datagramIn(p, f)
	p.Release()
	return false
}

// datagramIn sends a datagram by the host's sockets.
func (t *translator) datagramIn(p *buffer.Packet, f frame) {
	h := header.UDP(f.transport(p))
	if len(h) < header.UDPSize || !h.Valid(f.size) && p.GSO.Size == 0 || f.dst.IsMulticast() {
		return
	}
	k := key{netip.AddrPortFrom(f.src, h.SrcPort()), netip.AddrPortFrom(f.dst, h.DstPort())}
	data := make([]byte, f.size-header.UDPSize)
	data = data[:p.CopyTo(data, f.tran+header.UDPSize)]
	if p.Checksum == buffer.ChecksumUnknown && h.Checksum() != 0 {
		sum := header.Checksum(h[:header.UDPSize], header.PseudoHeader(header.ProtocolUDP, f.src, f.dst, f.size))
		if header.Checksum(data, sum) != 0xffff {
			return
		}
	}
	step := len(data)
	if p.GSO.Size > 0 { // several in one
		step = int(p.GSO.Size)
	}
	for first := true; first || len(data) > 0; first = false {
		n := min(step, len(data))
		if f.dst == dnsAddr4() || f.dst == dnsAddr6() {
			t.query(k, data[:n])
		} else if err := t.sendHost(k, data[:n]); err != nil {
			var errno unix.Errno
			if errors.As(err, &errno) {
				t.unreachable(f, p.Head()[f.net:], errno)
			}
			return
		}
		data = data[n:]
	}
}

// sendHost sends a datagram by the socket of the guest's address.
func (t *translator) sendHost(k key, data []byte) error {
	t.mu.Lock()
	d := t.datagram[k.src]
	var to netip.AddrPort
	if d != nil {
		d.last = time.Now()
		to = d.out[k.dst]
	}
	t.mu.Unlock()
	if !to.IsValid() {
		targets, err := t.p.target(k.dst, "udp")
		if err != nil {
			return err
		}
		to = targets[0]
		if d == nil {
			if d, err = t.newDatagrams(k.src); err != nil {
				return err
			}
		}
		t.mu.Lock()
		d.knows(k.dst, to)
		t.mu.Unlock()
	}
	var err error
	for range 3 { // an error may be of one that was sent before
		if rawErr := d.raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), data, 0, sockaddr(to)) }); rawErr != nil {
			return nil // it was silent for too long just now: lost, as datagrams may be
		}
		if err != unix.ECONNREFUSED && err != unix.EHOSTUNREACH {
			break
		}
	}
	if err == unix.ENOBUFS || err == unix.EAGAIN || err == unix.ECONNREFUSED {
		return nil
	}
	return err
}

// knows notes where one whom the guest writes to is. The caller holds the lock.
func (d *datagrams) knows(named, at netip.AddrPort) {
	if len(d.out) >= maxPeers {
		clear(d.out)
		clear(d.back)
	}
	d.out[named], d.back[at] = at, named
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// newDatagrams opens a socket for an address of the guest.
func (t *translator) newDatagrams(guest netip.AddrPort) (*datagrams, error) {
	family, level, name := unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	if guest.Addr().Is6() {
		family, level, name = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// Errors tell whom they are about: there is one socket for all.
	if err = unix.SetsockoptInt(fd, level, name, 1); err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	d := &datagrams{
		guest: guest, file: os.NewFile(uintptr(fd), "datagrams"), last: time.Now(),
		out: map[netip.AddrPort]netip.AddrPort{}, back: map[netip.AddrPort]netip.AddrPort{},
	}
	if d.raw, err = d.file.SyscallConn(); err != nil {
		_ = d.file.Close()
		return nil, err
	}
	t.mu.Lock()
	if other := t.datagram[guest]; other != nil {
		t.mu.Unlock()
		_ = d.file.Close()
		return other, nil
	}
	if len(t.datagram) >= maxDatagrams {
		t.evict()
	}
	t.datagram[guest] = d
	t.mu.Unlock()
	go t.receive(d)
	return d, nil
}

// evict ends the one that has been silent for longest of some. t.mu is held.
func (t *translator) evict() {
	const some = 32
	var oldest *datagrams
	n := 0
	for _, d := range t.datagram { // in no order
		if oldest == nil || d.last.Before(oldest.last) {
			oldest = d
		}
		if n++; n == some {
			break
		}
	}
	if oldest != nil {
		delete(t.datagram, oldest.guest)
		_ = oldest.file.Close()
	}
}

// receive sends the guest what comes, until it has been silent for too long.
func (t *translator) receive(d *datagrams) {
	defer func() {
		t.mu.Lock()
		if t.datagram[d.guest] == d {
			delete(t.datagram, d.guest)
		}
		t.mu.Unlock()
		_ = d.file.Close()
	}()
	for {
		_ = d.file.SetReadDeadline(time.Now().Add(datagramPatience)) // an error will be Read's
		var n int
		var from unix.Sockaddr
		var failed error
		var b *[]byte // only while there is something: there are many that are silent
		err := d.raw.Read(func(fd uintptr) bool {
			b = t.p.buffers.Get().(*[]byte)
			if n, from, failed = unix.Recvfrom(int(fd), *b, 0); failed == nil {
				return true
			}
			t.p.buffers.Put(b)
			t.failures(d, int(fd))
			return failed != unix.EAGAIN
		})
		t.mu.Lock()
		idle := time.Since(d.last)
		t.mu.Unlock()
		switch {
		case err == nil && failed == nil:
			t.arrived(d, addrPort(from), (*b)[:n])
			t.p.buffers.Put(b)
		case err == nil: // of one that was sent: failures told of it
		case errors.Is(err, os.ErrDeadlineExceeded) && idle < datagramPatience:
		default:
			return
		}
	}
}

// arrived gives the guest a datagram, if it may have it.
func (t *translator) arrived(d *datagrams, from netip.AddrPort, data []byte) {
	t.mu.Lock()
	named, asked := d.back[from]
	if asked {
		d.last = time.Now()
	}
	t.mu.Unlock()
	if !asked {
		var ok bool
		if named, ok = t.p.stranger(from); !ok {
			return
		}
		t.mu.Lock()
		d.knows(named, from) // it may be answered
		t.mu.Unlock()
	}
	t.sendDatagram(named, d.guest, data)
}

// failures tells the guest what became of datagrams that it sent.
func (t *translator) failures(d *datagrams, fd int) {
	var b [64]byte
	var control [512]byte
	for range maxFailures {
		_, n, _, to, err := unix.Recvmsg(fd, b[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil || to == nil {
			return
		}
		t.mu.Lock()
		named, known := d.back[addrPort(to)]
		t.mu.Unlock()
		ms, err := unix.ParseSocketControlMessage(control[:n])
		if err != nil || !known {
			continue
		}
		for _, m := range ms {
			if len(m.Data) < sizeofExtendedErr || m.Header.Type != unix.IP_RECVERR && m.Header.Type != unix.IPV6_RECVERR {
				continue
			}
			switch errno := unix.Errno(binary.NativeEndian.Uint32(m.Data)); errno {
			case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES:
				t.unreachableDatagram(key{d.guest, named}, errno)
			}
		}
	}
}

const (
	maxFailures       = 16 // that are looked at at a time
	sizeofExtendedErr = 16 // struct sock_extended_err, which begins with an errno
)

// unreachableDatagram is unreachable for a datagram that was sent before: of which
// the headers are made anew.
func (t *translator) unreachableDatagram(k key, why unix.Errno) {
	f := frame{src: k.src.Addr(), dst: k.dst.Addr()}
	var b []byte
	if f.src.Is4() {
		b = make([]byte, header.IPv4MinSize+header.UDPSize)
		header.IPv4(b).Encode(header.IPv4Fields{TotalLen: uint16(len(b)), TTL: 1, Protocol: header.ProtocolUDP, Src: f.src, Dst: f.dst})
	} else {
		b = make([]byte, header.IPv6Size+header.UDPSize)
		header.IPv6(b).Encode(header.IPv6Fields{PayloadLen: header.UDPSize, Next: header.ProtocolUDP, HopLimit: 1, Src: f.src, Dst: f.dst})
	}
	header.UDP(b[len(b)-header.UDPSize:]).Encode(header.UDPFields{SrcPort: k.src.Port(), DstPort: k.dst.Port(), Length: header.UDPSize})
	t.unreachable(f, b, why)
}

// query handles a query of the name service.
func (t *translator) query(k key, data []byte) {
	if k.dst.Port() != dnsPort {
		t.unreachableDatagram(k, unix.ECONNREFUSED)
		return
	}
	answer, drop := t.p.reply(data)
	switch {
	case drop:
	case answer != nil:
		t.sendDatagram(k.dst, k.src, answer)
	default:
		select {
		case t.p.queries <- struct{}{}:
			query := append([]byte(nil), data...)
			go func() {
				defer func() { <-t.p.queries }()
				t.resolve(k, query)
			}()
		default: // too many: the guest will ask again
		}
	}
}

// resolve asks one name server after the other.
func (t *translator) resolve(k key, query []byte) {
	for _, server := range t.p.servers {
		if answer := exchange(t.p.ctx, server, query); answer != nil {
			t.p.learn(query, answer)
			t.sendDatagram(k.dst, k.src, answer)
			return
		}
	}
}

// exchange returns the answer of one server, nil if it gives none in time.
func exchange(ctx context.Context, server netip.AddrPort, query []byte) []byte {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", server.String())
	if err != nil {
		return nil
	}
	defer c.Close()
	if c.SetDeadline(time.Now().Add(namePatience)) != nil {
		return nil
	}
	if _, err := c.Write(query); err != nil {
		return nil
	}
	b := make([]byte, maxDatagram)
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil
		}
		if n >= 12 && b[0] == query[0] && b[1] == query[1] { // else it is of another query
			return b[:n]
		}
	}
}
