package netlink

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Names implements socket.View.
func (n *Net) Names() []string { return []string{"netlink"} }

// Show implements socket.View: /proc/net/netlink, of each protocol the kernel's
// socket, whose port is 0, and those of processes.
func (n *Net) Show(_ string, w *bytes.Buffer) {
	w.WriteString("sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n")
	row := func(i Info) {
		groups, dump := uint32(0), 0
		if len(i.Groups) > 0 {
			groups = uint32(i.Groups[0])
		}
		if i.Dumping {
			dump = 1
		}
		fmt.Fprintf(w, "%016x %-3d %-10d %08x %-8d %-8d %-5d %-8d %-8d %-8d\n", 0, i.Protocol, i.Port, groups, i.Bytes, 0, dump, 2, i.Drops, i.Inode)
	}
	for _, protocol := range slices.Sorted(maps.Keys(n.cfg.Protocols)) {
		if _, none := n.cfg.Protocols[protocol].(UserOnly); !none {
			row(Info{Protocol: protocol})
		}
		var all []Info
		for _, s := range n.Sockets(protocol) {
			all = append(all, s.Info())
		}
		slices.SortFunc(all, func(a, b Info) int { return cmp.Compare(a.Inode, b.Inode) })
		for _, i := range all {
			row(i)
		}
	}
}
