package netproxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/gonet"
)

// Forward is a port of the host that is the guest's.
type Forward struct {
	Network string         `json:"network"` // tcp or udp
	Host    netip.AddrPort `json:"host"`
	Guest   uint16         `json:"guest"`
	// FD is the socket, bound and listening: the proxy may need a right to bind
	// that it does not have.
	FD int `json:"fd,omitempty"`
}

// ParseForward reads [ADDRESS:]HOSTPORT:GUESTPORT[/udp]. Without an address it is
// every one of the host's, as with docker.
func ParseForward(s string) (Forward, error) {
	f := Forward{Network: "tcp"}
	rest, network, given := strings.Cut(s, "/")
	if given {
		f.Network = network
	}
	if f.Network != "tcp" && f.Network != "udp" {
		return f, fmt.Errorf("%q: %q is neither tcp nor udp", s, f.Network)
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return f, fmt.Errorf("%q is not [ADDRESS:]HOSTPORT:GUESTPORT[/udp]", s)
	}
	guest, err := port(rest[i+1:])
	if err != nil || guest == 0 {
		return f, fmt.Errorf("%q: %q is no port", s, rest[i+1:])
	}
	f.Guest = guest
	host := rest[:i]
	if strings.Contains(host, ":") {
		if f.Host, err = netip.ParseAddrPort(host); err != nil {
			return f, fmt.Errorf("%q: %w", s, err)
		}
		return f, nil
	}
	p, err := port(host)
	if err != nil {
		return f, fmt.Errorf("%q: %q is no port", s, host)
	}
	f.Host = netip.AddrPortFrom(netip.IPv6Unspecified(), p)
	return f, nil
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err
}

// Open opens the forward's socket on the host, and returns it with where it is.
func (f *Forward) Open() (*os.File, error) {
	at := f.Host
	file, err := f.open(at)
	if err != nil && at.Addr() == netip.IPv6Unspecified() { // a host without IPv6
		file, err = f.open(netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port()))
	}
	return file, err
}

func (f *Forward) open(at netip.AddrPort) (*os.File, error) {
	type filer interface{ File() (*os.File, error) }
	var c interface {
		filer
		Close() error
	}
	if f.Network == "udp" {
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		f.Host, c = u.LocalAddr().(*net.UDPAddr).AddrPort(), u
	} else {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		f.Host, c = l.Addr().(*net.TCPAddr).AddrPort(), l
	}
	defer c.Close()
	return c.File()
}

// forward serves one port, until the proxy ends.
func (p *Proxy) forward(f Forward) error {
	file := os.NewFile(uintptr(f.FD), "forward")
	defer file.Close()
	if f.Network == "udp" {
		c, err := net.FilePacketConn(file)
		if err != nil {
			return fmt.Errorf("forward of port %d: %w", f.Guest, err)
		}
		context.AfterFunc(p.ctx, func() { _ = c.Close() })
		go p.forwardDatagrams(c.(*net.UDPConn), f.Guest)
		return nil
	}
	l, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("forward of port %d: %w", f.Guest, err)
	}
	context.AfterFunc(p.ctx, func() { _ = l.Close() })
	go p.forwardConnections(l.(*net.TCPListener), f.Guest)
	return nil
}

// maxForwarded is how many connections, and how many peers of UDP, one port has at
// a time.
const maxForwarded = 4096

func (p *Proxy) forwardConnections(l *net.TCPListener, port uint16) {
	slots := make(chan struct{}, maxForwarded)
	for {
		slots <- struct{}{}
		c, err := l.AcceptTCP()
		if p.ctx.Err() != nil {
			return
		}
		if err != nil {
			<-slots
			time.Sleep(10 * time.Millisecond) // of descriptors: some will be free
			continue
		}
		go func() {
			defer func() { <-slots }()
			p.Serve(c, port)
		}()
	}
}

// Serve connects c with the guest's port, and stays until the connection is over.
func (p *Proxy) Serve(c *net.TCPConn, port uint16) {
	ctx, cancel := context.WithTimeout(p.ctx, dialPatience)
	defer cancel()
	guest, err := p.net.Dial(ctx, "tcp", netip.AddrPortFrom(guestAddr4(), port))
	if err != nil {
		_ = c.SetLinger(0) // a reset, as the guest gave
		_ = c.Close()
		return
	}
	splice(guest, c, p, false)
}

// peers are who sends to a port of UDP: a socket of the stack for each.
type peers struct {
	mu  sync.Mutex // guards all
	all map[netip.AddrPort]*gonet.PacketConn
}

func (p *Proxy) forwardDatagrams(c *net.UDPConn, port uint16) {
	ps := &peers{all: map[netip.AddrPort]*gonet.PacketConn{}}
	b := make([]byte, maxDatagram)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if p.ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // what became of an answer
		}
		guest := p.peer(ps, c, from)
		if guest == nil {
			continue
		}
		_, _ = guest.WriteToAddrPort(b[:n], netip.AddrPortFrom(guestAddr4(), port))
	}
}

// peer returns the stack's socket for a peer, nil if there are too many.
func (p *Proxy) peer(ps *peers, c *net.UDPConn, from netip.AddrPort) *gonet.PacketConn {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	guest := ps.all[from]
	if guest != nil {
		_ = guest.SetReadDeadline(time.Now().Add(datagramPatience))
		return guest
	}
	if len(ps.all) >= maxForwarded {
		return nil
	}
	guest, err := p.net.ListenPacket(netip.AddrPortFrom(hostAddr4(), 0))
	if err != nil {
		return nil
	}
	_ = guest.SetReadDeadline(time.Now().Add(datagramPatience))
	ps.all[from] = guest
	at := guest.LocalAddr().(*net.UDPAddr).AddrPort()
	p.t.bind(at, 1)
	go func() {
		defer func() {
			ps.mu.Lock()
			delete(ps.all, from)
			ps.mu.Unlock()
			p.t.bind(at, -1)
			_ = guest.Close()
		}()
		b := make([]byte, maxDatagram)
		for {
			n, _, err := guest.ReadFromAddrPort(b)
			if err != nil && !isRefused(err) {
				return
			}
			if err == nil {
				_, _ = c.WriteToUDPAddrPort(b[:n], from) // as on any wire
			}
		}
	}()
	return guest
}

func isRefused(err error) bool {
	var s *os.SyscallError
	if o, ok := err.(*net.OpError); ok {
		s, _ = o.Err.(*os.SyscallError)
	}
	return s != nil && s.Err == unix.ECONNREFUSED
}

// bind notes that the stack's own sockets have an address, or no more.
func (t *translator) bind(a netip.AddrPort, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bound[a] += n; t.bound[a] == 0 {
		delete(t.bound, a)
	}
}

// isBound reports whether the stack's own sockets have an address.
func (t *translator) isBound(a netip.AddrPort) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bound[a] > 0
}
