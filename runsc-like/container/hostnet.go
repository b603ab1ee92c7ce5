package container

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
	"hull/runsc-like/netconf"
)

// With a network of mode host the sentry is born in the network namespace that the
// configuration gives to the container: at a path, of its own, or, where it names
// none, the caller's. It makes the guest's sockets there. The guest is shown a
// snapshot of the interfaces.

// HostNetworkWarning says what a network of mode host means.
const HostNetworkWarning = "--network=host: the guest's sockets are the host kernel's, and reach what the sentry's user reaches in the namespace: " +
	"isolation is reduced; it is for measuring"

// startSentry has the sentry born.
func startSentry(cgroup int, b *jail.Birth, spec *specs.Spec, hostNetwork bool) (p *jail.Process, err error) {
	i := networkOf(spec)
	switch {
	case !hostNetwork:
		return startIn(cgroup, b, "sentry")
	case i >= 0 && spec.Linux.Namespaces[i].Path == "":
		if b.Network, err = newNetwork(spec); err != nil {
			return nil, err
		}
		return startIn(cgroup, b, "sentry")
	case i < 0:
		b.Namespaces &^= unix.CLONE_NEWNET
		return startIn(cgroup, b, "sentry")
	}
	path := spec.Linux.Namespaces[i].Path
	b.Namespaces &^= unix.CLONE_NEWNET
	err = inNetwork(path, func(entered bool) (err error) {
		if !entered {
			return fmt.Errorf("network namespace %s: %w", path, netconf.ErrPermission)
		}
		p, err = startIn(cgroup, b, "sentry")
		return err
	})
	return p, err
}

// hostNetwork reports whether the sockets of the container's sandbox are the host's.
func (c *Container) hostNetwork() bool {
	return c.Network != nil && c.Network.Mode == control.NetworkHost
}

// checkHostNetwork refuses what would change the caller's own network: parameters of
// a namespace can be set if it is another one.
func checkHostNetwork(spec *specs.Spec, n *NetworkState) error {
	keys := netSysctls(spec)
	if len(keys) == 0 {
		return nil
	}
	if n.ID != nil {
		own, err := netconf.Identify("/proc/self/ns/net")
		if err != nil || own != *n.ID {
			return err
		}
	}
	return fieldf("linux.sysctl", "%s: is of the host's own network, which the container has by --network=host", keys[0])
}

// netSysctls are the names of the parameters of the network that a configuration
// sets, sorted.
func netSysctls(spec *specs.Spec) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(spec.Linux.Sysctl)), func(k string) bool {
		return !strings.HasPrefix(k, "net.") && !strings.HasPrefix(k, "net/")
	})
}

// newNetwork is how the sentry sets up a namespace of its own. Parameters it sets
// only for a user, who has no way into the namespace: to whom it belongs not all
// groups are known that a parameter (net.ipv4.ping_group_range) may name.
func newNetwork(spec *specs.Spec) (*jail.NewNetwork, error) {
	n := &jail.NewNetwork{}
	if os.Geteuid() == 0 {
		return n, nil
	}
	for _, k := range netSysctls(spec) {
		path, err := netconf.SysctlPath(k)
		if err != nil {
			return nil, fieldf("linux.sysctl", "%s: %v", k, err)
		}
		n.Parameters = append(n.Parameters, jail.Parameter{Name: k, Path: path, Value: spec.Linux.Sysctl[k]})
	}
	return n, nil
}

// prepareHostNetwork sets parameters of the namespace that the sentry is in, unless
// that is the caller's, or the sentry has set them (newNetwork).
func (c *Container) prepareHostNetwork(spec *specs.Spec) error {
	i := networkOf(spec)
	if !c.hostNetwork() || i < 0 || spec.Linux.Namespaces[i].Path == "" && os.Geteuid() != 0 {
		return nil
	}
	values := map[string]string{}
	for _, k := range netSysctls(spec) {
		values[k] = spec.Linux.Sysctl[k]
	}
	return netconf.Prepare(c.networkPath(), values)
}

// connectHost shows the guest the network of the namespace at path.
func connectHost(conn *control.Conn, path string) error {
	n, err := netconf.Show(path)
	if err != nil {
		return err
	}
	return handNetwork(conn, n, nil, "")
}

// connectHost shows the guest the network that its sentry is in.
func (s *sandbox) connectHost() error {
	return connectHost(s.conn, fmt.Sprintf("/proc/%d/ns/net", os.Getpid()))
}
