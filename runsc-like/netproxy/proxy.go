package netproxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/gonet"
	"hull/netstack/link"
	"hull/netstack/stack"
)

// MTU is that of the link between guest and proxy, in bytes: nothing between them
// needs packets to be small.
const MTU = 65520

// The addresses of both sides.
func guestAddr4() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 2, 15}) }
func guestAddr6() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xfd, 15: 0x15}) }
func hostAddr4() netip.Addr  { return netip.AddrFrom4([4]byte{10, 0, 2, 2}) }
func hostAddr6() netip.Addr  { return netip.AddrFrom16([16]byte{0: 0xfd, 15: 2}) }
func dnsAddr4() netip.Addr   { return netip.AddrFrom4([4]byte{10, 0, 2, 3}) }
func dnsAddr6() netip.Addr   { return netip.AddrFrom16([16]byte{0: 0xfd, 15: 3}) }

// GuestAddrs are the guest's addresses, with their networks.
func GuestAddrs() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(guestAddr4(), 24), netip.PrefixFrom(guestAddr6(), 64)}
}

// Gateways are where the guest's default routes lead.
func Gateways() []netip.Addr { return []netip.Addr{hostAddr4(), hostAddr6()} }

// Resolvers are the guest's name servers.
func Resolvers() []netip.Addr { return []netip.Addr{dnsAddr4(), dnsAddr6()} }

// GuestMAC and HostMAC are the hardware addresses of both sides.
func GuestMAC() link.Address { return link.Address{0x52, 0x55, 10, 0, 2, 15} }
func HostMAC() link.Address  { return link.Address{0x52, 0x55, 10, 0, 2, 2} }

// Config says what a proxy does.
type Config struct {
	Policy Policy `json:"policy"`
	// Servers are the name servers of the host.
	Servers []netip.AddrPort `json:"servers,omitempty"`
	// Forwards are the ports that are the guest's: one listener of the host each.
	Forwards []Forward `json:"forwards,omitempty"`
	// Denied is told of the first destination that was refused; nil for nobody.
	Denied func(line string) `json:"-"`
}

// Proxy makes a guest's connections.
type Proxy struct {
	policy  Policy
	servers []netip.AddrPort
	names   *names
	pool    *buffer.Pool
	t       *translator
	stack   *stack.Stack
	net     *gonet.Net
	buffers sync.Pool     // of *[]byte, spliceBuffer each
	queries chan struct{} // holds one for each query that name servers are asked
	tell    sync.Once
	told    func(string)

	ctx  context.Context // over when the proxy ends
	stop context.CancelFunc
	done sync.WaitGroup // goroutines that use the stack
}

// New starts a proxy over its end of the link with the guest, which it takes over.
func New(c Config, e link.Endpoint, pool *buffer.Pool) (*Proxy, error) {
	p := &Proxy{policy: c.Policy, servers: c.Servers, names: newNames(), pool: pool, told: c.Denied,
		queries: make(chan struct{}, maxQueries),
		buffers: sync.Pool{New: newBuffer},
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.t = newTranslator(p, e)
	start := time.Now()
	p.stack = stack.New(stack.Config{
		Pool: pool,
		Now:  func() int64 { return int64(time.Since(start)) + 1 },
		Wall: time.Now,
		After: func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		},
		Random: func(b []byte) { _, _ = rand.Read(b) }, // it does not fail
	})
	if err := p.configure(); err != nil {
		p.Close()
		return nil, fmt.Errorf("network proxy: %w", err)
	}
	for _, f := range c.Forwards {
		if err := p.forward(f); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// configure brings the stack's interface up, with a listener for each family.
func (p *Proxy) configure() error {
	nic, err := p.stack.AddNIC(stack.NICConfig{Name: "guest", Link: p.t, MTU: MTU, Address: HostMAC()})
	if err != nil {
		return err
	}
	for _, a := range []netip.Addr{hostAddr4(), dnsAddr4(), hostAddr6(), dnsAddr6()} {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		// Nobody else can have them.
		if err := nic.AddAddr(stack.Addr{Prefix: netip.PrefixFrom(a, bits), Flags: unix.IFA_F_NODAD | unix.IFA_F_PERMANENT}, false); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	if err := nic.Change(stack.Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
		return err
	}
	p.net = gonet.New(p.stack, stack.Owner{Raw: true, Admin: true})
	for _, a := range []netip.Addr{hostAddr4(), hostAddr6()} {
		l, err := p.net.Listen(netip.AddrPortFrom(a, listenPort))
		if err != nil {
			return err
		}
		p.done.Add(1)
		go p.accept(l)
	}
	return nil
}

// Warm has package net look around the host before it cannot any more.
func Warm() {
	if c, err := net.ListenUDP("udp", nil); err == nil {
		_ = c.Close()
	}
}

// Wait returns when the guest's end of the link is closed.
func (p *Proxy) Wait() { <-p.ctx.Done() }

// Close ends the proxy and all connections.
func (p *Proxy) Close() {
	p.stop()
	_ = p.t.Close() // the stack closes it too
	p.stack.Close()
	p.t.flush()
}

// denied tells of the first destination that was refused.
func (p *Proxy) denied(what, why string) {
	if p.told == nil {
		return
	}
	p.tell.Do(func() {
		p.told(fmt.Sprintf("the guest was kept from %s: %s (the first time; others are not told)", what, why))
	})
}

// target decides where a destination that the guest names is on the host's side.
// The error is the errno that the guest is to see.
func (p *Proxy) target(dst netip.AddrPort, proto string) ([]netip.AddrPort, error) {
	a := dst.Addr()
	switch {
	case a == hostAddr4() || a == hostAddr6():
		if !p.policy.Host {
			p.denied(fmt.Sprintf("the host (%s %s)", proto, dst), "that needs --allow-host")
			return nil, unix.ECONNREFUSED
		}
		own := []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dst.Port()), netip.AddrPortFrom(netip.IPv6Loopback(), dst.Port()),
		}
		if a.Is6() {
			own[0], own[1] = own[1], own[0]
		}
		return own, nil
	case a == dnsAddr4() || a == dnsAddr6():
		if dst.Port() != dnsPort || len(p.servers) == 0 {
			return nil, unix.ECONNREFUSED
		}
		return p.servers, nil
	case netip.PrefixFrom(hostAddr4(), 24).Contains(a), netip.PrefixFrom(hostAddr6(), 64).Contains(a):
		return nil, unix.EHOSTUNREACH
	}
	known := p.names.of(a, time.Now())
	if why := p.policy.verdict(dst, known); why != "" {
		what := dst.String()
		if len(known.asked) > 0 {
			what = known.asked[0] + " (" + what + ")"
		}
		p.denied(proto+" "+what, why)
		return nil, unix.EACCES
	}
	return []netip.AddrPort{dst}, nil
}

// stranger decides whether the guest gets what somebody sends whom it did not write
// to: if it might have written to him. It returns who that is to the guest.
func (p *Proxy) stranger(from netip.AddrPort) (netip.AddrPort, bool) {
	a := from.Addr()
	switch {
	case !from.IsValid() || from.Port() == 0:
		return from, false
	case a.IsLoopback():
		host := hostAddr4()
		if a.Is6() {
			host = hostAddr6()
		}
		return netip.AddrPortFrom(host, from.Port()), p.policy.Host
	case netip.PrefixFrom(hostAddr4(), 24).Contains(a), netip.PrefixFrom(hostAddr6(), 64).Contains(a):
		return from, false // what only the guest and its proxy have
	}
	return from, p.policy.verdict(from, p.names.of(a, time.Now())) == ""
}

const dnsPort = 53

// accept takes the connections that the translator let through.
func (p *Proxy) accept(l *gonet.Listener) {
	defer p.done.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			if p.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // of memory, or of a connection that has gone
			continue
		}
		guest := c.(*gonet.Conn)
		f := p.t.opened(guest.RemoteAddr().(*net.TCPAddr).AddrPort())
		if f == nil {
			_ = guest.Abort()
			continue
		}
		go func() {
			f.splice(guest, p)
			p.t.closed(f)
		}()
	}
}

// halfCloser is a connection each direction of which can be closed by itself.
type halfCloser interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// pass copies from one to the other until the end, which it passes on. An error is
// of one side, and ends both.
func pass(to, from halfCloser, pool *sync.Pool) error {
	buf := pool.Get().(*[]byte)
	defer pool.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			if _, err := to.Write((*buf)[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return to.CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}

// spliceBuffer is how much is copied at a time, in bytes.
const spliceBuffer = 128 << 10

func newBuffer() any {
	b := make([]byte, spliceBuffer)
	return &b
}
