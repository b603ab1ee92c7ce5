// Package uevent has NETLINK_KOBJECT_UEVENT: what a kernel tells udev of its
// devices. Those of a sandbox do not come and go but for network interfaces,
// which this tells of; it owns nothing but the number of the last event.
package uevent

import (
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/socket/netlink"
)

// Protocol is NETLINK_KOBJECT_UEVENT.
type Protocol struct{ last atomic.Uint64 }

var (
	_ netlink.Protocol = (*Protocol)(nil)
	_ netlink.Watcher  = (*Protocol)(nil)
)

// kernelGroup is that of the kernel's own events; udev's are its own business.
const kernelGroup = 1

// Groups implements netlink.Protocol.
func (*Protocol) Groups() int { return kernelGroup }

// Receive implements netlink.Protocol: the kernel takes no messages.
func (*Protocol) Receive(current.Task, *netlink.Sock, []byte) {}

// Watch implements netlink.Watcher.
func (p *Protocol) Watch(n *netlink.Net) (stop func()) {
	w := &watch{known: map[int]string{}}
	for _, nic := range n.Stack.NICs() {
		i := nic.Info()
		w.known[i.Index] = i.Name
	}
	return n.Stack.Watch(func(e stack.Event) {
		if e.Kind != stack.LinkEvent {
			return
		}
		for _, text := range w.texts(e) {
			m := text + "SEQNUM=" + strconv.FormatUint(p.last.Add(1), 10) + "\x00"
			n.Multicast(unix.NETLINK_KOBJECT_UEVENT, kernelGroup, []byte(m), nil)
		}
	})
}

// watch tells what is new of an interface from what has only changed.
type watch struct {
	mu    lock.Mutex[lock.Leaf]
	known map[int]string // guarded by mu: names by index
}

// texts returns the events that a change of an interface is, without their numbers.
func (w *watch) texts(e stack.Event) []string {
	i := &e.NIC
	w.mu.Lock()
	defer w.mu.Unlock()
	old, was := w.known[i.Index]
	switch {
	case e.Removed:
		delete(w.known, i.Index)
		return []string{text("remove", i, ""), queue("remove", i, "rx-0"), queue("remove", i, "tx-0")}
	case !was:
		w.known[i.Index] = i.Name
		return []string{text("add", i, ""), queue("add", i, "rx-0"), queue("add", i, "tx-0")}
	case old != i.Name:
		w.known[i.Index] = i.Name
		return []string{text("move", i, "DEVPATH_OLD="+path(old)+"\x00")}
	}
	return nil
}

func path(name string) string { return "/devices/virtual/net/" + name }

// text is an event of an interface: a headline and lines, each with its NUL.
func text(action string, i *stack.NICInfo, more string) string {
	var b strings.Builder
	b.WriteString(action + "@" + path(i.Name) + "\x00")
	b.WriteString("ACTION=" + action + "\x00DEVPATH=" + path(i.Name) + "\x00SUBSYSTEM=net\x00" + more)
	b.WriteString("INTERFACE=" + i.Name + "\x00IFINDEX=" + strconv.Itoa(i.Index) + "\x00")
	switch i.Kind {
	case stack.KindBridge, stack.KindVLAN:
		b.WriteString("DEVTYPE=" + string(i.Kind) + "\x00")
	}
	return b.String()
}

// queue is an event of one of its queues.
func queue(action string, i *stack.NICInfo, name string) string {
	at := path(i.Name) + "/queues/" + name
	return action + "@" + at + "\x00ACTION=" + action + "\x00DEVPATH=" + at + "\x00SUBSYSTEM=queues\x00"
}
