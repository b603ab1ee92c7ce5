package netlink

import "hull/sentry/current"

// UserOnly is NETLINK_USERSOCK, by which processes speak to each other: nobody
// answers for the kernel.
type UserOnly struct{}

var (
	_ Protocol = UserOnly{}
	_ Guarded  = UserOnly{}
)

// Groups implements Protocol.
func (UserOnly) Groups() int { return 32 }

// Receive implements Protocol. It is not called.
func (UserOnly) Receive(current.Task, *Sock, []byte) {}

// Open implements Guarded: all may send, groups are for those with CAP_NET_ADMIN.
func (UserOnly) Open() (listen, send bool) { return false, true }
