package proc

import (
	"hull/fsimpl/internal/pseudo"
	"hull/sentry/vfs"
)

// netDir is /proc/PID/net: the tables of a network without interfaces but what
// the socket families say.
func (fs *FS) netDir(p pid) *vfs.Inode {
	text := func(name, s string) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: fs.ps.Text(0444, pseudo.Static(s), nil)}
	}
	const (
		inet  = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		inet6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	)
	return fs.ps.Dir(0555,
		text("dev", "Inter-|   Receive                                                |  Transmit\n"+
			" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"),
		text("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
		text("route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"),
		text("tcp", inet), text("udp", inet), text("raw", inet),
		text("tcp6", inet6), text("udp6", inet6), text("raw6", inet6),
		text("if_inet6", ""), text("ipv6_route", ""),
		text("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
		text("packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
		text("netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"),
		text("protocols", "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re sp bi br ha uh gp em\n"),
	)
}
