package nfnetlink

import "golang.org/x/sys/unix"

func (c *call) conntrack(msg uint16) error { return unix.EOPNOTSUPP }
