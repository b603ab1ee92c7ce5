package container

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/link/pipe"
	"hull/runsc-like/control"
	"hull/runsc-like/jail"
	"hull/runsc-like/leanjson"
	"hull/runsc-like/netproxy"
)

// UserNetwork is what a network of mode user may do.
type UserNetwork struct {
	AllowHost bool     // the host's own services are reached
	Allow     []string // egress rules: see netproxy.ParseRule
	Deny      []string
	Publish   []string // ports: see netproxy.ParseForward
}

// Given reports whether anything was asked of it.
func (u *UserNetwork) Given() bool {
	return u.AllowHost || len(u.Allow)+len(u.Deny)+len(u.Publish) > 0
}

// config makes the proxy's configuration, with its sockets, which are the caller's
// to close.
func (u *UserNetwork) config() (c *netproxy.Config, sockets []*os.File, err error) {
	servers := nameServers("/etc/resolv.conf")
	if len(servers) == 0 {
		servers = append(servers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)) // as the C library does
	}
	c = &netproxy.Config{Policy: netproxy.Policy{Host: u.AllowHost}, Servers: servers}
	for _, list := range []struct {
		flag string
		from []string
		to   *[]netproxy.Rule
	}{{"--allow-net", u.Allow, &c.Policy.Allow}, {"--deny-net", u.Deny, &c.Policy.Deny}} {
		for _, s := range list.from {
			r, err := netproxy.ParseRule(s)
			if err != nil {
				return nil, nil, fieldf(list.flag, "%v", err)
			}
			*list.to = append(*list.to, r)
		}
	}
	defer func() {
		if err != nil {
			for _, f := range sockets {
				f.Close()
			}
		}
	}()
	for _, s := range u.Publish {
		f, err := netproxy.ParseForward(s)
		if err != nil {
			return nil, sockets, fieldf("--publish", "%v", err)
		}
		file, err := f.Open()
		if err != nil {
			return nil, sockets, fieldf("--publish", "%s: %v", s, err)
		}
		f.FD = control.ProxyFDs + len(sockets)
		sockets = append(sockets, file)
		c.Forwards = append(c.Forwards, f)
	}
	return c, sockets, nil
}

// nameServers reads a file of the host (resolv.conf(5)).
func nameServers(file string) []netip.AddrPort {
	const most = 3 // MAXNS
	var all []netip.AddrPort
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		for s := bufio.NewScanner(io.LimitReader(f, 64<<10)); s.Scan() && len(all) < most; {
			words := strings.Fields(s.Text())
			if len(words) < 2 || words[0] != "nameserver" {
				continue
			}
			if a, err := netip.ParseAddr(words[1]); err == nil {
				all = append(all, netip.AddrPortFrom(a, 53))
			}
		}
	}
	return all
}

// userLink describes the guest's end of the link with the proxy.
func userLink() *control.Network {
	l := control.Link{Name: "eth0", Index: 2, Address: netproxy.GuestMAC(), MTU: netproxy.MTU, Up: true, Pipe: true}
	for _, p := range netproxy.GuestAddrs() {
		l.Addrs = append(l.Addrs, control.Addr{Prefix: p, Label: l.Name})
	}
	n := &control.Network{Links: []control.Link{l}}
	for _, g := range netproxy.Gateways() {
		dst := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if g.Is6() {
			dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		n.Routes = append(n.Routes, control.Route{
			Dst: dst, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Protocol: unix.RTPROT_BOOT,
			Hops: []control.Hop{{Gateway: g, Index: l.Index}},
		})
	}
	return n
}

// userFiles tell the guest's programs of its network.
func userFiles() []control.File {
	resolv := "# written by hull\n"
	for _, a := range netproxy.Resolvers() {
		resolv += "nameserver " + a.String() + "\n"
	}
	hosts := ""
	for _, a := range netproxy.Gateways() {
		hosts += a.String() + "\t" + netproxy.HostName + "\n"
	}
	return []control.File{{Path: "/etc/resolv.conf", Text: resolv}, {Path: "/etc/hosts", Text: hosts, Append: true}}
}

// startProxy starts the process that makes the guest's connections, and returns the
// guest's end of the link with it. It ends when that is closed.
func startProxy(u *UserNetwork, cfg *control.Role, label jail.Label, log, errs *os.File) (proxy *jail.Process, link *os.File, err error) {
	pc, sockets, err := u.config()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		for _, f := range sockets {
			f.Close()
		}
	}()
	text, err := leanjson.Marshal(pc)
	if err != nil {
		return nil, nil, err
	}
	own := &control.Role{
		Detached: cfg.Detached, TrapDenied: cfg.TrapDenied, CPUs: cfg.CPUs, Proxy: text,
	}
	f, err := control.WriteRole(own)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	ends, err := pipe.Open()
	if err != nil {
		return nil, nil, err
	}
	far := os.NewFile(uintptr(ends[0]), "link")
	defer far.Close()
	link = os.NewFile(uintptr(ends[1]), "link")
	null, err := os.Open(os.DevNull)
	if err != nil {
		link.Close()
		return nil, nil, err
	}
	defer null.Close()
	b, err := sentryBirth("netproxy", append([]*os.File{null, log, errs, null, far, f}, sockets...), cfg.Detached)
	if err == nil {
		b.Namespaces &^= unix.CLONE_NEWNET // the host's network is what it is for
		b.Group, b.Label = !b.Session, label
		proxy, err = startIn(-1, b, "network proxy")
	}
	if err != nil {
		link.Close()
		return nil, nil, err
	}
	return proxy, link, nil
}

// connectUser gives the guest of a container a network of mode user.
func (c *Container) connectUser(conn *control.Conn) (err error) {
	log, err := os.OpenFile(c.path(logFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	proxy, link, err := startProxy(c.Network.User, &control.Role{Detached: true, CPUs: runtime.NumCPU()}, labelOf(c.Process), log, log)
	if err != nil {
		return err
	}
	defer link.Close()
	p, err := processOf(proxy.Pid)
	if err == nil {
		c.Proxy = p
		if err = c.save(); err == nil {
			err = c.enterLater(p.PID)
		}
	}
	if err == nil {
		err = handNetwork(conn, userLink(), []*os.File{link}, c.Network.Pcap)
	}
	if err != nil {
		proxy.Kill()
		proxy.Wait()
	}
	return err
}

// enterLater puts a process into the container's cgroup, if it has one: the host
// may have refused it.
func (c *Container) enterLater(pid int) error {
	m, err := c.manager()
	if err != nil || m == nil || !m.Exists() {
		return err
	}
	if err := m.Add(pid); err != nil {
		return fmt.Errorf("network proxy: cgroup: %w", err)
	}
	return nil
}

// connectUser gives the guest of a sandbox that ends with the caller a network of
// mode user. What the proxy has to say is for the caller's eyes.
func (s *sandbox) connectUser(o *Options, p *plumbing) error {
	errs := p.log
	if o.Told != nil {
		errs = o.Told
	}
	proxy, link, err := startProxy(&o.User, &s.cfg.Role, labelOf(o.Spec.Process), p.log, errs)
	if err != nil {
		return err
	}
	defer link.Close()
	s.proxy = proxy
	return handNetwork(s.conn, userLink(), []*os.File{link}, o.Pcap)
}
