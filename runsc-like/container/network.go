package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
	"hull/runsc-like/netconf"
)

// NetworkState is what is known of a container's network on the host.
type NetworkState struct {
	Mode string `json:"mode"` // control.NetworkSandbox and so on
	// Namespace is whose interfaces the guest gets; "" is that of the sentry, in
	// which those who prepare the container put them.
	Namespace string      `json:"namespace,omitempty"`
	ID        *netconf.ID `json:"id,omitempty"` // of Namespace
	// Taken is what was taken from there, and is to be given back.
	Taken *control.Network `json:"taken,omitempty"`
	// Pcap is the file that packets are written to; "" is none.
	Pcap string `json:"pcap,omitempty"`
	// User is what a network of mode user may do.
	User *UserNetwork `json:"user,omitempty"`
}

// planNetwork decides where the container's network comes from.
func (c *Container) planNetwork(spec *specs.Spec, mode, pcap string, u UserNetwork) error {
	n := &NetworkState{Mode: mode, Pcap: pcap}
	c.Network = n
	defer func() {
		if n.Mode == control.NetworkUser {
			n.User = &u
		}
	}()
	if mode != control.NetworkSandbox && mode != control.NetworkHost {
		return nil
	}
	i := networkOf(spec)
	if i < 0 && mode == control.NetworkHost {
		return checkHostNetwork(spec, n)
	}
	if i < 0 {
		n.Mode = control.NetworkNone
		if os.Geteuid() != 0 {
			n.Mode = control.NetworkUser // as near to the host's network as a user gets
		}
		return nil
	}
	ns := spec.Linux.Namespaces[i]
	if ns.Path == "" {
		return nil
	}
	id, err := netconf.Identify(ns.Path)
	if err != nil {
		return fieldf(fmt.Sprintf("linux.namespaces[%d].path", i), "%v", err)
	}
	n.Namespace, n.ID = ns.Path, &id
	if mode == control.NetworkHost {
		return checkHostNetwork(spec, n)
	}
	return nil
}

// networkOf is which of the namespaces of a configuration is that of the network; -1
// for none.
func networkOf(spec *specs.Spec) int {
	return slices.IndexFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.NetworkNamespace })
}

// networkPath is the namespace that the container's interfaces are in.
func (c *Container) networkPath() string {
	if c.Network.Namespace != "" {
		return c.Network.Namespace
	}
	return fmt.Sprintf("/proc/%d/ns/net", c.Sentry.PID)
}

// connect gives the guest its interfaces. That is as late as can be: some callers
// put them into the namespace after the container was created.
func (c *Container) connect(conn *control.Conn) error {
	switch {
	case c.Network == nil || c.Network.Mode == control.NetworkNone:
		return nil
	case c.Network.Mode == control.NetworkUser:
		return c.connectUser(conn)
	case c.Network.Mode == control.NetworkHost:
		err := connectHost(conn, c.networkPath())
		if errors.Is(err, netconf.ErrPermission) && c.Network.Namespace == "" {
			return nil // as below: the guest sees what each new one has
		}
		return err
	}
	n, err := netconf.Read(c.networkPath())
	if errors.Is(err, netconf.ErrPermission) && c.Network.Namespace == "" {
		return nil // a user's, in which nobody can have put anything
	}
	if err != nil {
		return err
	}
	defer n.Close()
	if len(n.Sockets) == 0 {
		return nil
	}
	if err := c.unshared(); err != nil {
		return err
	}
	c.Network.Taken = &n.Network
	if err := c.save(); err != nil {
		return err
	}
	links := n.Sockets
	if servers := loopbackServers(c.Resolver); len(servers) > 0 {
		line, err := c.startDNSRelay(servers)
		if err != nil {
			return err
		}
		defer line.Close()
		n.Servers, links = servers, append(slices.Clone(links), line)
	}
	err = netconf.Take(c.networkPath())
	if err == nil {
		err = handNetwork(conn, &n.Network, links, c.Network.Pcap)
	}
	if err == nil {
		err = c.startWatch(&n.Network)
	}
	return err
}

// handNetwork tells the sandbox of its network. What passes is written to the file
// pcap, if it is not "".
func handNetwork(conn *control.Conn, n *control.Network, links []*os.File, pcap string) error {
	if pcap != "" {
		out, err := os.OpenFile(pcap, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fieldf("--pcap", "%v", err)
		}
		defer out.Close()
		told := *n
		told.Pcap = true
		at := len(links)
		if len(n.Servers) > 0 { // the last is the line to the relay
			at--
		}
		n, links = &told, slices.Insert(slices.Clone(links), at, out)
	}
	f, err := control.WriteNetwork(n)
	if err != nil {
		return err
	}
	defer f.Close()
	fds := []int{int(f.Fd())}
	for _, l := range links {
		fds = append(fds, int(l.Fd()))
	}
	if err := conn.Send(control.Message{Kind: control.Connect}, fds...); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	m, err := answer(conn)
	if err == nil && m.Kind != control.Done {
		err = unexpected(m)
	}
	return err
}

// unshared checks that no other container has the interfaces of the namespace:
// one kernel answers for an address.
func (c *Container) unshared() error {
	if c.Network.ID == nil {
		return nil
	}
	r := Root{Dir: c.rootDir()}
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == c.ID || CheckID(e.Name()) != nil {
			continue
		}
		o, err := r.Look(e.Name())
		if err != nil || o.Network == nil || o.Network.Taken == nil || !o.Sentry.Alive() {
			continue
		}
		if id, err := netconf.Identify(o.networkPath()); err == nil && id == *c.Network.ID {
			return fmt.Errorf("network namespace %s: its interfaces are those of container %s, and cannot be another one's too "+
				"(containers of one pod can share a network)", c.Network.Namespace, o.ID)
		}
	}
	return nil
}

// disconnect gives back what connect took from a namespace that is not the
// container's own. The sandbox has ended.
func (c *Container) disconnect() {
	n := c.Network
	if n == nil || n.Taken == nil || n.ID == nil {
		return
	}
	if id, err := netconf.Identify(n.Namespace); err != nil || id != *n.ID {
		return // it is gone, and all that was in it
	}
	if err := netconf.Return(n.Namespace, n.Taken); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "hull: warning: %v\n", err)
	}
}
