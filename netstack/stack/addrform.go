package stack

import "golang.org/x/sys/unix"

// formed is a socket that can be made one of the other family: it is connected to
// somebody.
type formed interface {
	// mappedLocked reports whether the peer is one of IPv4: ENOTCONN.
	mappedLocked() (bool, error)
	// holdsLocked reports whether something of IPv6 waits to be sent.
	holdsLocked() bool
}

// setAddrForm is IPV6_ADDRFORM, ipv6(7): a socket of AF_INET6 whose peer is one of
// IPv4 becomes one of AF_INET. EBUSY, ENOTCONN, EADDRNOTAVAIL. What it had of
// IPv6 is given up: memberships, flow labels, extension headers.
func (c *common) setAddrForm(value []byte) error {
	v, err := intValue(value)
	if err != nil || v != unix.AF_INET {
		return unix.EINVAL
	}
	x, ok := c.self.(formed)
	if !ok || !c.carries() {
		return unix.ENOPROTOOPT
	}
	c.mu.Lock()
	err = c.mayForm(x)
	if err == nil {
		c.family.Store(unix.AF_INET)
		c.ip6.ext = extensions{}
	}
	c.mu.Unlock()
	if err == nil {
		c.leaveGroups6()
	}
	return err
}

func (c *common) mayForm(x formed) error {
	if x.holdsLocked() {
		return unix.EBUSY
	}
	mapped, err := x.mappedLocked()
	switch {
	case err != nil:
		return err
	case c.v6only || !mapped:
		return unix.EADDRNOTAVAIL
	}
	return nil
}
