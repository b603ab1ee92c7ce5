package netconf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// The host's kernel finds out by the table "local" whether a packet is for itself,
// and asks it first, by a rule that every namespace has. Take puts rules in its
// place that ask it for what the namespace itself sends, for answers of name servers
// to the ports of control.HostPorts, and for errors of ICMP: docker's server in a
// container's namespace forwards what it is asked to others from there.

// ownRules are those rules. Those of IPv6 have no answers: docker's server asks by
// IPv4.
func ownRules(family int) []*netlink.Rule {
	rule := func() *netlink.Rule {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table = family, 0, unix.RT_TABLE_LOCAL
		return r
	}
	r := rule()
	r.IifName = "lo"
	all := []*netlink.Rule{r}
	if family == netlink.FAMILY_V6 {
		return all
	}
	r = rule()
	r.IPProto = unix.IPPROTO_ICMP // its errors; it answers no echo, see silence
	all = append(all, r)
	ports := control.HostPorts()
	for _, proto := range []int{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
		r := rule()
		r.IPProto = proto
		r.Sport, r.Dport = netlink.NewRulePortRange(ports.From, ports.From), netlink.NewRulePortRange(ports.Low, ports.High)
		all = append(all, r)
	}
	return all
}

// isUsual reports whether a rule is the one that every namespace has.
func isUsual(r *netlink.Rule) bool {
	return r.Priority <= 0 && r.Table == unix.RT_TABLE_LOCAL && r.IifName == "" && r.IPProto <= 0 && r.Sport == nil && r.Dport == nil && r.Src == nil && r.Dst == nil
}

// families are those that the host has: it may have been started without IPv6.
func families() []int {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return []int{netlink.FAMILY_V4}
	}
	return []int{netlink.FAMILY_V4, netlink.FAMILY_V6}
}

// Take makes the host's kernel deaf in the namespace at path: it neither answers
// there nor forwards. What is configured there stays as it is.
func Take(path string) error {
	return within(path, func(h *netlink.Handle) error {
		for _, s := range silence() {
			writeSysctl(s.path, s.value)
		}
		for _, f := range families() {
			if err := deafen(h, f); err != nil {
				return fmt.Errorf("routing rules: %w", err)
			}
		}
		return nil
	})
}

// deafen changes the rules of a family. To remove a rule is to remove the first one
// that is like it, which may be one of ours that has no more to it.
func deafen(h *netlink.Handle, family int) error {
	const most = 16 // who adds the same rule again and again loses
	for range most {
		if err := addRules(h, ownRules(family)); err != nil {
			return err
		}
		there, err := hasUsual(h, family)
		if err != nil || !there {
			return err
		}
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table = family, 0, unix.RT_TABLE_LOCAL
		if err := h.RuleDel(r); err != nil {
			return err
		}
	}
	return errors.New("the rule for local addresses comes back")
}

func addRules(h *netlink.Handle, rules []*netlink.Rule) error {
	for _, r := range rules {
		if err := changeRule(h, r, true); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	return nil
}

// changeRule adds or removes a rule that ownRules made.
func changeRule(h *netlink.Handle, r *netlink.Rule, add bool) error {
	switch {
	case r.IPProto <= 0 && add:
		return h.RuleAdd(r)
	case r.IPProto <= 0:
		return h.RuleDel(r)
	}
	_, err := ruleRequest(r, add).Execute(unix.NETLINK_ROUTE, 0) // in the thread's namespace, as h
	return err
}

// ruleRequest is the request about a rule that has a protocol. The library writes that
// in four bytes; it has one (FRA_IP_PROTO), and the kernel says so in its log.
func ruleRequest(r *netlink.Rule, add bool) *nl.NetlinkRequest {
	typ, flags := unix.RTM_DELRULE, unix.NLM_F_ACK
	m := nl.NewRtMsg()
	m.Family, m.Table, m.Protocol, m.Scope, m.Type = uint8(r.Family), uint8(r.Table), unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, 0
	if add {
		typ, flags = unix.RTM_NEWRULE, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL
		m.Type = unix.RTN_UNICAST
	}
	req := nl.NewNetlinkRequest(typ, flags)
	req.AddData(m)
	ne := binary.NativeEndian
	req.AddData(nl.NewRtAttr(nl.FRA_PRIORITY, ne.AppendUint32(nil, uint32(r.Priority))))
	req.AddData(nl.NewRtAttr(nl.FRA_IP_PROTO, []byte{byte(r.IPProto)}))
	for attr, ports := range map[int]*netlink.RulePortRange{nl.FRA_DPORT_RANGE: r.Dport, nl.FRA_SPORT_RANGE: r.Sport} {
		if ports != nil {
			req.AddData(nl.NewRtAttr(attr, ne.AppendUint16(ne.AppendUint16(nil, ports.Start), ports.End)))
		}
	}
	return req
}

func hasUsual(h *netlink.Handle, family int) (bool, error) {
	rules, err := h.RuleList(family)
	if err != nil {
		return false, err
	}
	for i := range rules {
		if isUsual(&rules[i]) {
			return true, nil
		}
	}
	return false, nil
}

// Return makes the namespace at path as it was before Take; n is what was read
// there.
func Return(path string, n *control.Network) error {
	return within(path, func(h *netlink.Handle) error {
		for _, f := range families() {
			usual := netlink.NewRule()
			usual.Family, usual.Priority, usual.Table, usual.Protocol = f, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_KERNEL
			there, err := hasUsual(h, f)
			if err == nil && !there {
				err = addRules(h, []*netlink.Rule{usual})
			}
			if err != nil {
				return fmt.Errorf("routing rules: %w", err)
			}
			for _, r := range ownRules(f) {
				if err := changeRule(h, r, false); err != nil && !errors.Is(err, unix.ENOENT) {
					return fmt.Errorf("routing rules: %w", err)
				}
			}
		}
		for _, s := range silence() {
			if v, ok := n.Sysctls[s.path]; ok {
				writeSysctl(s.path, v)
			}
		}
		for path, v := range n.Sysctls { // what writing to "all" changed
			if strings.HasPrefix(path, "ipv6/conf/") && strings.HasSuffix(path, "/forwarding") {
				writeSysctl(path, v)
			}
		}
		return nil
	})
}

// parameter is a value below /proc/sys/net.
type parameter struct{ path, value string }

// silence are the parameters of a namespace whose interfaces are a guest's.
func silence() []parameter {
	ports := control.HostPorts()
	return []parameter{
		{"ipv4/ip_forward", "0"},
		{"ipv4/icmp_echo_ignore_all", "1"},
		{"ipv6/conf/all/forwarding", "0"},
		{"ipv4/ip_local_port_range", strconv.Itoa(int(ports.Low)) + " " + strconv.Itoa(int(ports.High))},
	}
}
