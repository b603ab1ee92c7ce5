package netview

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/link/tun"
	"hull/netstack/stack"
	"hull/sentry/socket"
)

// Interfaces implements socket.Controller.
func (v *View) Interfaces() []string { return v.byIndex() }

// statistics are the names of the counters in an interface's statistics.
func statistics() []string {
	return []string{"collisions", "multicast", "rx_bytes", "rx_compressed", "rx_crc_errors", "rx_dropped", "rx_errors",
		"rx_fifo_errors", "rx_frame_errors", "rx_length_errors", "rx_missed_errors", "rx_nohandler", "rx_over_errors", "rx_packets",
		"tx_aborted_errors", "tx_bytes", "tx_carrier_errors", "tx_compressed", "tx_dropped", "tx_errors", "tx_fifo_errors",
		"tx_heartbeat_errors", "tx_packets", "tx_window_errors"}
}

// Attributes implements socket.Controller.
func (v *View) Attributes(nic string) []socket.Parameter {
	const ro, rw = 0o444, 0o644
	ps := []socket.Parameter{{Path: "addr_assign_type", Mode: ro}, {Path: "addr_len", Mode: ro}, {Path: "address", Mode: ro},
		{Path: "broadcast", Mode: ro}, {Path: "carrier", Mode: rw}, {Path: "carrier_changes", Mode: ro}, {Path: "dev_id", Mode: ro},
		{Path: "dev_port", Mode: ro}, {Path: "dormant", Mode: ro}, {Path: "duplex", Mode: ro}, {Path: "flags", Mode: rw},
		{Path: "gro_flush_timeout", Mode: rw}, {Path: "ifalias", Mode: rw}, {Path: "ifindex", Mode: ro}, {Path: "iflink", Mode: ro},
		{Path: "link_mode", Mode: ro}, {Path: "mtu", Mode: rw}, {Path: "name_assign_type", Mode: ro}, {Path: "netdev_group", Mode: rw},
		{Path: "operstate", Mode: ro}, {Path: "proto_down", Mode: rw}, {Path: "speed", Mode: ro}, {Path: "tx_queue_len", Mode: rw},
		{Path: "type", Mode: ro}, {Path: "uevent", Mode: rw}}
	for _, s := range statistics() {
		ps = append(ps, socket.Parameter{Path: "statistics/" + s, Mode: ro})
	}
	if n, err := v.nic(nic); err == nil && n.Tun() != nil {
		ps = append(ps, socket.Parameter{Path: "group", Mode: ro}, socket.Parameter{Path: "owner", Mode: ro}, socket.Parameter{Path: "tun_flags", Mode: ro})
	}
	return ps
}

// tunAttribute is what a TUN device has besides.
func tunAttribute(i *tun.Info, name string) (string, error) {
	id := func(v uint32) string {
		return strconv.FormatInt(int64(int32(v)), 10) // -1 for none
	}
	switch {
	case i == nil:
	case name == "tun_flags":
		f := i.Flags
		if i.Persist {
			f |= unix.IFF_PERSIST
		}
		return fmt.Sprintf("0x%x", f), nil
	case name == "owner":
		return id(i.Owner), nil
	case name == "group":
		return id(i.Group), nil
	}
	return "", unix.ENOENT
}

// Attribute implements socket.Controller.
func (v *View) Attribute(nic, name string) (string, error) {
	n, err := v.nic(nic)
	if err != nil {
		return "", err
	}
	i := n.Info()
	if s, ok := strings.CutPrefix(name, "statistics/"); ok {
		return statistic(&i.Stats, s)
	}
	up := i.Flags&unix.IFF_UP != 0
	switch name {
	case "addr_assign_type", "carrier_changes", "dormant", "gro_flush_timeout", "link_mode", "proto_down":
		return "0", nil
	case "dev_id", "dev_port":
		return map[string]string{"dev_id": "0x0", "dev_port": "0"}[name], nil
	case "addr_len":
		if i.HWType == link.RawIP {
			return "0", nil
		}
		return "6", nil
	case "address":
		return hardware(i.Address), nil
	case "broadcast":
		if i.HWType == link.Loopback {
			return hardware(link.Address{}), nil
		}
		return hardware(link.Broadcast()), nil
	case "carrier":
		if !up {
			return "", unix.EINVAL
		}
		return bit(i.Flags&unix.IFF_RUNNING != 0), nil
	case "duplex", "speed":
		return link0(&i, name)
	case "flags":
		return fmt.Sprintf("0x%x", i.Flags&^(unix.IFF_RUNNING|unix.IFF_LOWER_UP|unix.IFF_DORMANT)), nil
	case "ifalias":
		return i.Alias, nil
	case "ifindex":
		return strconv.Itoa(i.Index), nil
	case "iflink":
		if i.Parent != 0 {
			return strconv.Itoa(i.Parent), nil
		}
		return strconv.Itoa(i.Index), nil
	case "mtu":
		return strconv.Itoa(i.MTU), nil
	case "name_assign_type":
		return "", unix.EINVAL // as Linux says of a name whose origin it does not know
	case "netdev_group":
		return strconv.FormatUint(uint64(i.Group), 10), nil
	case "operstate":
		return i.OperState().String(), nil
	case "tx_queue_len":
		return strconv.Itoa(i.TxQLen), nil
	case "type":
		return strconv.Itoa(int(i.HWType)), nil
	case "uevent":
		return fmt.Sprintf("INTERFACE=%s\nIFINDEX=%d", i.Name, i.Index), nil
	}
	return tunAttribute(i.Tun, name)
}

func bit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// link0 answers what an interface without a cable does.
func link0(i *stack.NICInfo, name string) (string, error) {
	if i.HWType != link.Ethernet || i.Flags&unix.IFF_UP == 0 {
		return "", unix.EINVAL
	}
	if name == "speed" {
		return "10000", nil
	}
	return "full", nil
}

func statistic(s *stack.NICStats, name string) (string, error) {
	v := map[string]uint64{"rx_packets": s.RxPackets, "tx_packets": s.TxPackets, "rx_bytes": s.RxBytes, "tx_bytes": s.TxBytes,
		"rx_errors": s.RxErrors, "tx_errors": s.TxErrors, "rx_dropped": s.RxDropped, "tx_dropped": s.TxDropped, "multicast": s.Multicast}
	if n, ok := v[name]; ok {
		return strconv.FormatUint(n, 10), nil
	}
	if slices.Contains(statistics(), name) {
		return "0", nil // what only hardware can count
	}
	return "", unix.ENOENT
}

// SetAttribute implements socket.Controller.
func (v *View) SetAttribute(nic, name, value string) error {
	n, err := v.nic(nic)
	if err != nil {
		return err
	}
	value = strings.TrimSpace(value)
	if name == "ifalias" {
		return n.Change(stack.Change{Alias: &value})
	}
	x, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return unix.EINVAL
	}
	num, group := int(x), uint32(x)
	switch name {
	case "mtu":
		return n.Change(stack.Change{MTU: &num})
	case "tx_queue_len":
		return n.Change(stack.Change{TxQLen: &num})
	case "netdev_group":
		return n.Change(stack.Change{Group: &group})
	case "flags":
		return n.Change(stack.Change{Flags: group & settableFlags, FlagsMask: settableFlags})
	}
	return unix.EOPNOTSUPP
}

// settableFlags are the IFF_* flags that a user sets.
const settableFlags = unix.IFF_UP | unix.IFF_PROMISC | unix.IFF_ALLMULTI | unix.IFF_NOARP | unix.IFF_MULTICAST
