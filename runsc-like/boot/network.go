package boot

import (
	"crypto/rand"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/nsfs"
	"hull/netstack/buffer"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/klog"
	"hull/sentry/mem"
	"hull/sentry/socket"
	"hull/sentry/socket/hostinet"
	"hull/sentry/socket/inet"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/genetlink"
	"hull/sentry/socket/netlink/nfnetlink"
	"hull/sentry/socket/netlink/rtnetlink"
	"hull/sentry/socket/netlink/sockdiag"
	"hull/sentry/socket/netlink/uevent"
	"hull/sentry/socket/netview"
	"hull/sentry/socket/packet"
	unixsock "hull/sentry/socket/unix"
)

// maxNetworks bounds the network namespaces of a sandbox
// (user.max_net_namespaces).
const maxNetworks = 1024

// networks makes the parts of network namespaces.
type networks struct {
	pool    *buffer.Pool
	flight  unixsock.Flight
	cookies inet.Cookies
	uevents uevent.Protocol
	memory  *mem.File // of the rings of packet sockets
	log     *klog.Log
	numbers netlink.Numbers
	started time.Time
	count   atomic.Int64
	// hostFiles, if not 0, says that the sockets of the first namespace are the host's,
	// and how many descriptors there are for all that the sentry does.
	hostFiles uint64
}

func newNetworks(memory *mem.File, log *klog.Log, hostFiles uint64) *networks {
	return &networks{pool: new(buffer.Pool), memory: memory, log: log, started: time.Now(), hostFiles: hostFiles}
}

// Fill implements socket.Networks: a stack with a loopback interface that is down,
// and the families over it.
func (n *networks) Fill(ns *socket.NetNS) error {
	nth := n.count.Add(1)
	if nth > maxNetworks {
		n.count.Add(-1)
		return unix.ENOSPC
	}
	var log func(level int, line string)
	if nth == 1 { // as Linux without net.netfilter.nf_log_all_netns
		log = n.log.Add
	}
	var host *hostinet.Network
	if nth == 1 && n.hostFiles > 0 {
		var err error
		if host, err = newHostSockets(ns, n.hostFiles); err != nil {
			return err
		}
	}
	st := stack.New(stack.Config{
		Beside: listed(host),
		Log:    log,
		Pool:   n.pool,
		Now:    n.now,
		Wall:   time.Now,
		After:  after,
		Random: func(b []byte) { _, _ = rand.Read(b) }, // it never fails, crypto/rand
	})
	sockets := inet.New(ns, st, &n.cookies)
	local := unixsock.NewNamespace(ns, &n.flight)
	links := netlink.New(ns, st, n.netlink(local))
	ns.Families = socket.Table{
		unix.AF_UNIX:    local,
		unix.AF_INET:    sockets.Family(unix.AF_INET),
		unix.AF_INET6:   sockets.Family(unix.AF_INET6),
		unix.AF_PACKET:  packet.New(sockets, n.memory),
		unix.AF_NETLINK: links,
	}
	view := netview.New(ns, st, n.now)
	ns.Views = []socket.View{local, links, view}
	ns.Control = view
	ns.OnClose = func() {
		links.Close()
		st.Close()
		n.count.Add(-1)
	}
	if host != nil {
		useHost(ns, host)
	}
	return nil
}

// netlink returns what a namespace answers on netlink.
func (n *networks) netlink(local *unixsock.Namespace) netlink.Config {
	return netlink.Config{
		Protocols: map[int32]netlink.Protocol{
			unix.NETLINK_ROUTE:          rtnetlink.Protocol{},
			unix.NETLINK_USERSOCK:       netlink.UserOnly{},
			unix.NETLINK_SOCK_DIAG:      sockdiag.New(local),
			unix.NETLINK_NETFILTER:      nfnetlink.Protocol{},
			unix.NETLINK_GENERIC:        genetlink.Protocol{},
			unix.NETLINK_KOBJECT_UEVENT: &n.uevents,
		},
		ByPID: stackOfPID,
		ByFD:  stackOfFD,

		Numbers: &n.numbers,
	}
}

// stackOfPID returns the stack of the network namespace that a process is in, nil if
// there is none.
func stackOfPID(t current.Task, pid int32) *stack.Stack {
	kt, ok := t.(*kernel.Task)
	if !ok {
		return nil
	}
	other := kt.PIDNS().Task(pid)
	if other == nil {
		return nil
	}
	ns := other.PeekNetNS()
	if ns == nil {
		return nil
	}
	defer ns.DecRef()
	return stackOf(ns)
}

// stackOfFD returns the stack of the network namespace that an open file stands for.
func stackOfFD(t current.Task, fd int32) *stack.Stack {
	kt, ok := t.(*kernel.Task)
	if !ok {
		return nil
	}
	f, err := kt.Files().Get(fd)
	if err != nil {
		return nil
	}
	defer f.DecRef(t)
	if n := nsfs.Of(f); n != nil && n.NetNS() != nil {
		return stackOf(n.NetNS())
	}
	return nil
}

// now is the stacks' clock: nanoseconds since the sandbox started, never 0.
func (n *networks) now() int64 { return int64(time.Since(n.started)) + 1 }

func after(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// stackOf returns the stack of a namespace that Fill made.
func stackOf(ns *socket.NetNS) *stack.Stack {
	return ns.Control.(interface{ Stack() *stack.Stack }).Stack()
}

// loopbackUp brings the loopback interface of the first namespace up, as every
// runtime does for a container.
func loopbackUp(st *stack.Stack) error {
	const loopback = 1
	nic := st.NIC(loopback)
	if nic == nil {
		return unix.ENODEV
	}
	if err := nic.Change(stack.Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
		return err
	}
	for _, p := range []string{"127.0.0.1/8", "::1/128"} {
		err := nic.AddAddr(stack.Addr{Prefix: netip.MustParsePrefix(p), Scope: unix.RT_SCOPE_HOST, Label: "lo"}, false)
		if err != nil && err != unix.EEXIST {
			return err
		}
	}
	return nil
}
