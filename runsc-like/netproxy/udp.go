package netproxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// datagrams are those between one address of the guest and one of the world: a
// socket of the host.
type datagrams struct {
	key  key
	host *net.UDPConn // immutable
	last time.Time    // guarded by the translator's lock
}

const (
	// datagramPatience is how long a pair of addresses may be silent (RFC 4787
	// section 4.3 asks for two minutes).
	datagramPatience = 2 * time.Minute
	// namePatience is how long a name server may take before another is asked.
	namePatience = 3 * time.Second
	maxQueries   = 256 // to name servers at a time
	maxDatagram  = 65535
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

// sendHost sends a datagram by the socket of k.
func (t *translator) sendHost(k key, data []byte) error {
	t.mu.Lock()
	d := t.datagram[k]
	if d != nil {
		d.last = time.Now()
	}
	t.mu.Unlock()
	if d == nil {
		var err error
		if d, err = t.newDatagrams(k); err != nil {
			return err
		}
	}
	_, err := d.host.Write(data)
	if errors.Is(err, unix.ECONNREFUSED) { // that is what became of the one before
		_, err = d.host.Write(data)
	}
	if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) || errors.Is(err, net.ErrClosed) {
		return nil // lost, as datagrams may be
	}
	return err
}

// newDatagrams opens a socket for k.
func (t *translator) newDatagrams(k key) (*datagrams, error) {
	targets, err := t.p.target(k.dst, "udp")
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(t.p.ctx, "udp", targets[0].String())
	if err != nil {
		return nil, err
	}
	d := &datagrams{key: k, host: c.(*net.UDPConn), last: time.Now()}
	t.mu.Lock()
	if len(t.datagram) >= maxDatagrams {
		t.evict()
	}
	t.datagram[k] = d
	t.mu.Unlock()
	go t.receive(d)
	return d, nil
}

// evict ends the pair that has been silent for longest of some. t.mu is held.
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
		delete(t.datagram, oldest.key)
		_ = oldest.host.Close()
	}
}

// receive sends the guest what comes back, until it has been silent for too long.
func (t *translator) receive(d *datagrams) {
	defer func() {
		t.mu.Lock()
		if t.datagram[d.key] == d {
			delete(t.datagram, d.key)
		}
		t.mu.Unlock()
		_ = d.host.Close()
	}()
	b := make([]byte, maxDatagram)
	for {
		_ = d.host.SetReadDeadline(time.Now().Add(datagramPatience)) // an error will be Read's
		n, err := d.host.Read(b)
		t.mu.Lock()
		now := time.Now()
		idle := now.Sub(d.last)
		if err == nil {
			d.last = now
		}
		t.mu.Unlock()
		var timeout net.Error
		switch {
		case err == nil:
			t.sendDatagram(d.key.dst, d.key.src, b[:n])
		case errors.As(err, &timeout) && timeout.Timeout() && idle < datagramPatience:
		case errors.Is(err, unix.ECONNREFUSED):
			t.unreachableDatagram(d.key, unix.ECONNREFUSED)
		case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
			t.unreachableDatagram(d.key, unix.EHOSTUNREACH)
		default:
			return
		}
	}
}

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
			t.p.learn(answer)
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
