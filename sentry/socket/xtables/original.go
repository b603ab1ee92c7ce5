package xtables

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
	"hull/netstack/stack"
)

// Original is SO_ORIGINAL_DST: where a connection of TCP went before it was
// translated, as struct sockaddr_in or sockaddr_in6. ENOENT if the connection is not
// tracked.
func (x Tables) Original(s stack.Socket, max int) ([]byte, error) {
	if s.Type() != unix.SOCK_STREAM {
		return nil, unix.ENOPROTOOPT
	}
	size := unix.SizeofSockaddrInet4
	if x.V6 {
		size = unix.SizeofSockaddrInet6
	}
	if max < size {
		return nil, unix.EINVAL
	}
	if !x.Stack.HasRules() {
		return nil, unix.ENOENT
	}
	own, err := s.Name()
	if err != nil {
		return nil, err
	}
	peer, err := s.Peer()
	if err != nil {
		return nil, unix.ENOENT
	}
	rules := x.Stack.Rules()
	c, ok := rules.Conns().Find(conntrack.Tuple{
		Src: own.Addr().Unmap(), Dst: peer.Addr().Unmap(), SrcPort: own.Port(), DstPort: peer.Port(), Proto: header.ProtocolTCP,
	}, rules.Now())
	if !ok {
		return nil, unix.ENOENT
	}
	o := c.Original()
	return x.sockaddr(netip.AddrPortFrom(o.Dst, o.DstPort), size), nil
}

func (x Tables) sockaddr(a netip.AddrPort, size int) []byte {
	b := make([]byte, 0, size)
	family := uint16(unix.AF_INET)
	if x.V6 {
		family = unix.AF_INET6
	}
	b = binary.NativeEndian.AppendUint16(b, family)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	if x.V6 {
		b = append(b, 0, 0, 0, 0)
		addr := a.Addr().As16()
		b = append(b, addr[:]...)
	} else {
		b = append(b, a.Addr().AsSlice()...)
	}
	return append(b, make([]byte, size-len(b))...)
}
