package sockdiag

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/socket/netlink"
	unixsock "hull/sentry/socket/unix"
)

// Protocol is NETLINK_SOCK_DIAG of a namespace.
type Protocol struct{ local *unixsock.Namespace }

// New returns the protocol; local has the namespace's sockets of AF_UNIX.
func New(local *unixsock.Namespace) Protocol { return Protocol{local} }

var _ netlink.Protocol = Protocol{}

// The types of messages, of linux/sock_diag.h.
const (
	byFamily = 20 // SOCK_DIAG_BY_FAMILY
	destroy  = 21 // SOCK_DESTROY
)

// groups is SKNLGRP_MAX: sockets that are destroyed, by protocol and family.
const groups = 4

// Groups implements netlink.Protocol.
func (Protocol) Groups() int { return groups }

// Receive implements netlink.Protocol.
func (p Protocol) Receive(t current.Task, s *netlink.Sock, data []byte) {
	netlink.Each(t, s, data, func(r *netlink.Request) error {
		return (&call{r, s.Net().Stack, p.local}).handle()
	})
}

type call struct {
	*netlink.Request
	stack *stack.Stack
	local *unixsock.Namespace
}

func (c *call) handle() error {
	if len(c.Body) < 2 {
		return unix.EINVAL
	}
	family := c.Body[0]
	switch c.Header.Type {
	case byFamily:
		switch family {
		case unix.AF_INET, unix.AF_INET6:
			return c.inet()
		case unix.AF_UNIX:
			return c.unix()
		case unix.AF_PACKET:
			return c.packet()
		case unix.AF_NETLINK:
			return c.netlink()
		}
		return unix.ENOENT // no handler of the family is there
	case destroy:
		if family != unix.AF_INET && family != unix.AF_INET6 {
			return unix.EOPNOTSUPP
		}
		if err := c.Admin(); err != nil {
			return err
		}
		return c.destroy()
	}
	return unix.EINVAL
}

// appendCookie writes the number by which a socket is told from one that had the
// same addresses before: that of its inode.
func appendCookie(b []byte, ino uint64) []byte { return binary.NativeEndian.AppendUint64(b, ino) }
