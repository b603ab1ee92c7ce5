package netconf

import (
	"os"
	"path/filepath"
	"strings"
)

// sysctls are the parameters that those who configure namespaces set, below
// /proc/sys/net. IF stands for each interface, all and default.
var sysctls = []string{
	"core/somaxconn",
	"ipv4/icmp_echo_ignore_all",
	"ipv4/ip_forward",
	"ipv4/ip_local_port_range",
	"ipv4/ip_unprivileged_port_start",
	"ipv4/ping_group_range",
	"ipv4/ip_nonlocal_bind",
	"ipv4/conf/IF/rp_filter",
	"ipv4/conf/IF/arp_notify",
	"ipv4/conf/IF/arp_ignore",
	"ipv4/conf/IF/arp_announce",
	"ipv4/conf/IF/route_localnet",
	"ipv6/conf/IF/disable_ipv6",
	"ipv6/conf/IF/accept_ra",
	"ipv6/conf/IF/accept_dad",
	"ipv6/conf/IF/autoconf",
	"ipv6/conf/IF/forwarding",
	"ipv6/conf/IF/stable_secret", // an address that is made of it is the same here and there
	"ipv6/conf/IF/addr_gen_mode",
}

// readSysctls reads those that the host has.
func (n *Network) readSysctls() {
	n.Sysctls = map[string]string{}
	names := []string{"all", "default"}
	for _, l := range n.Links {
		names = append(names, l.Name)
	}
	for _, path := range sysctls {
		if !strings.Contains(path, "/IF/") {
			n.readSysctl(path)
			continue
		}
		for _, name := range names {
			n.readSysctl(strings.Replace(path, "/IF/", "/"+name+"/", 1))
		}
	}
}

func (n *Network) readSysctl(path string) {
	if v, ok := readSysctl(path); ok {
		n.Sysctls[path] = v
	}
}

// readSysctl reads a parameter of the calling thread's namespace.
func readSysctl(path string) (string, bool) {
	b, err := os.ReadFile(filepath.Join("/proc/sys/net", path))
	return strings.TrimSpace(string(b)), err == nil
}

func readBool(path string) bool {
	v, _ := readSysctl(path)
	return v == "1"
}

// writeSysctl writes one, and reports whether it could.
func writeSysctl(path, value string) bool {
	return os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0) == nil
}
