package rtnetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// The attributes of AF_INET6 in IFLA_AF_SPEC (linux/if_link.h).
const (
	inet6Token       = unix.IFLA_INET6_TOKEN
	inet6AddrGenMode = unix.IFLA_INET6_ADDR_GEN_MODE
)

// writeAFSpec writes what the families say of an interface.
func writeAFSpec(b *wire.Builder, i *stack.NICInfo) {
	spec := b.Nest(unix.IFLA_AF_SPEC)
	six := b.Nest(unix.AF_INET6)
	b.U8(inet6AddrGenMode, i.AddrGen)
	b.Close(six)
	b.Close(spec)
}

// afSpec reads what IFLA_AF_SPEC changes into ch. Of IPv6 that is how addresses are
// made, of which stack.Change refuses what cannot be; of IPv4 there is nothing. What
// is to be made, when ch is nil, has no parameters of IPv6 yet.
func (c *call) afSpec(a wire.Attrs, ch *stack.Change) error {
	var err error
	wire.Each(a.Bytes(unix.IFLA_AF_SPEC), func(typ uint16, _ int, v []byte) bool {
		switch typ {
		case unix.AF_INET6:
			if err = unix.EAFNOSUPPORT; ch != nil {
				err = c.inet6Spec(v, ch)
			}
		case unix.AF_INET:
			if len(v) > 0 {
				err = c.Fail(unix.EOPNOTSUPP, "Parameters of IPv4 are set below /proc/sys/net only")
			}
		case unix.AF_BRIDGE:
			err = unix.EOPNOTSUPP
		default:
			err = unix.EAFNOSUPPORT
		}
		return err == nil
	})
	return err
}

func (c *call) inet6Spec(v []byte, ch *stack.Change) error {
	six, werr := wire.Parse(v, wire.Policy{inet6AddrGenMode: {Kind: wire.U8}, inet6Token: {Kind: wire.Any, Min: 16}}, false)
	switch {
	case werr != nil:
		return c.Refuse(werr, ifinfoSize)
	case six.Has(inet6Token):
		return c.Fail(unix.EOPNOTSUPP, "No interface tokens")
	case !six.Has(inet6AddrGenMode):
		return unix.EINVAL
	}
	mode := six.U8(inet6AddrGenMode)
	ch.AddrGen = &mode
	return nil
}
