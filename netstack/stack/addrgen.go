package stack

import (
	"crypto/sha1"
	"encoding"
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
	"hull/netstack/link"
)

// How an interface makes addresses of its own (RFC 4862, RFC 7217): the link-local
// one when it comes up, and one in each prefix that a router advertises. addr_gen_mode
// says which way, IN6_ADDR_GEN_MODE_* of linux/if_link.h:
//
//	EUI64   of the hardware address
//	none    no link-local one; in prefixes as EUI64
//	stable  of stable_secret, that of the interface or else of `default`
//	random  as stable; the secret is made when it is first needed
//
// What has no hardware address (a tun) turns EUI64 into random when it comes up.
// As Linux has it, a change of the mode by /proc/sys has another address made at
// once, one by netlink when the interface next comes up; what is there stays.
const (
	addrGenEUI64 = iota
	addrGenNone
	addrGenStable
	addrGenRandom
)

const stableSecret = "stable_secret"

// validAddrGen reports whether there is such a mode.
func validAddrGen(mode int32) bool { return mode >= addrGenEUI64 && mode <= addrGenRandom }

// mayGenerate reports whether the interface can be given the mode: stable wants a
// secret first.
func (n *NIC) mayGenerate(mode int32) bool {
	return validAddrGen(mode) && (mode != addrGenStable || n.secretInUse() != nil)
}

// AddrGen returns addr_gen_mode.
func (n *NIC) AddrGen() uint8 { return uint8(n.conf6[conf6AddrGenMode].Load()) }

// setAddrGen sets addr_gen_mode of nic, or if that is nil of `all` or `default`: EINVAL.
func (s *Stack) setAddrGen(nic *NIC, name string, mode int32) error {
	return s.change(func(ev *events) error {
		switch {
		case !validAddrGen(mode) || nic != nil && !nic.mayGenerate(mode):
			return unix.EINVAL
		case nic != nil:
			nic.generate(mode, ev)
			nic.conf6[conf6AddrGenMode].Store(mode) // is what was written, whatever was made of it
		case name == "all":
			s.conf6All[conf6AddrGenMode].Store(mode)
			s.conf6Default[conf6AddrGenMode].Store(mode)
			for _, n := range s.NICs() {
				n.generate(mode, ev)
			}
		default:
			s.conf6Default[conf6AddrGenMode].Store(mode)
		}
		return nil
	})
}

// generate has the interface make its link-local address in another way.
func (n *NIC) generate(mode int32, ev *events) {
	if n.conf6[conf6AddrGenMode].Swap(mode) != mode && n.MTU() >= header.IPv6MinMTU {
		n.makeLinkLocal(ev)
	}
}

// makeLinkLocal gives the interface its link-local address, if it has not got it.
// The caller holds the stack's lock.
func (n *NIC) makeLinkLocal(ev *events) {
	if n.loopback() {
		return
	}
	mode := n.conf6[conf6AddrGenMode].Load()
	if n.hw == link.RawIP && mode == addrGenEUI64 {
		mode = addrGenRandom
		n.conf6[conf6AddrGenMode].Store(mode)
	}
	a, flags := n.eui64(), uint32(unix.IFA_F_PERMANENT)
	switch mode {
	case addrGenNone:
		return
	case addrGenRandom, addrGenStable:
		if mode == addrGenRandom && n.secret.Load() == nil {
			var b [16]byte
			n.stack.cfg.Random(b[:])
			secret := netip.AddrFrom16(b)
			n.secret.Store(&secret)
		}
		var ok bool
		if a, ok = n.stableAddr(linkLocalPrefix(), 0); !ok {
			return
		}
		flags |= unix.IFA_F_STABLE_PRIVACY
	}
	_ = n.addAddr(Addr{Prefix: netip.PrefixFrom(a, 64), Scope: unix.RT_SCOPE_LINK, Flags: flags, Protocol: addrProtoLL}, false, ev)
}

func linkLocalPrefix() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80}) }

// autoAddr is the interface's address in a prefix of 64 bits that a router
// advertised, and its flags.
func (n *NIC) autoAddr(prefix netip.Addr) (a netip.Addr, flags uint32, ok bool) {
	if mode := n.conf6[conf6AddrGenMode].Load(); mode == addrGenStable || mode == addrGenRandom {
		if a, ok := n.stableAddr(prefix, 0); ok {
			return a, unix.IFA_F_STABLE_PRIVACY, true
		}
	}
	if n.hw == link.Ethernet {
		return header.EUI64(prefix, n.Address()), 0, true
	}
	// Without a hardware address it is the rest of the link-local one.
	own := n.linkLocal()
	if !own.IsValid() {
		return a, 0, false
	}
	b, tail := prefix.As16(), own.As16()
	copy(b[8:], tail[8:])
	return netip.AddrFrom16(b), 0, true
}

// secretInUse is the secret that addresses are made of, or nil.
func (n *NIC) secretInUse() *netip.Addr {
	if own := n.secret.Load(); own != nil {
		return own
	}
	return n.stack.secret6.Load()
}

// stableAddr makes the address of a prefix of 64 bits and the secret, as Linux does,
// so that a machine keeps its addresses: RFC 7217 section 5. try counts those that
// were somebody else's; more than idgen_retries are not tried. No interface here
// has a permanent hardware address, which would be a part too.
func (n *NIC) stableAddr(prefix netip.Addr, try int64) (netip.Addr, bool) {
	secret := n.secretInUse()
	if secret == nil {
		return netip.Addr{}, false
	}
	for ; try <= min(n.stack.tune(tV6IdgenRetries), 255); try++ {
		if a := stableAddr(*secret, prefix, uint8(try)); !reservedID(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// stableAddr is one round of SHA-1 over what the address is made of: the secret, the
// prefix, 32 bytes of hardware address, the number of the try, zeros.
func stableAddr(secret, prefix netip.Addr, try uint8) netip.Addr {
	var block [sha1.BlockSize]byte
	s, b := secret.As16(), prefix.As16()
	copy(block[:], s[:])
	copy(block[16:], b[:8])
	block[16+8+32] = try
	h := sha1.New()
	h.Write(block[:])
	// The state after one block, without the padding that ends a sum, is what a hash that
	// is to be continued is saved as: four bytes of magic, five words.
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil || len(state) < 12 {
		return netip.Addr{}
	}
	for i := range 2 {
		binary.NativeEndian.PutUint32(b[8+4*i:], binary.BigEndian.Uint32(state[4+4*i:]))
	}
	return netip.AddrFrom16(b)
}

// reservedID reports whether the last 64 bits are kept for others: RFC 5453.
func reservedID(a netip.Addr) bool {
	b := a.As16()
	id := binary.BigEndian.Uint64(b[8:])
	return id == 0 || id>>24 == 0x02005efffe || id>>7 == 0xfdffffffffffff80>>7
}

// anotherStable makes another address in the place of one that turned out to be
// somebody else's, if it is of those that there can be more of.
func (n *NIC) anotherStable(old *ifaddr, ev *events) {
	if old.flags.Load()&unix.IFA_F_STABLE_PRIVACY == 0 {
		return
	}
	s := n.stack
	tries := old.dad.tries + 1
	a, ok := n.stableAddr(old.Prefix.Addr(), tries)
	if !ok {
		n.log6("privacy stable address generation failed because of DAD conflicts!")
		return
	}
	if most := n.conf6[conf6MaxAddresses].Load(); most > 0 && len(n.list6()) >= int(most) {
		return
	}
	n.log6("generating new stable privacy address because of DAD conflict")
	next := n.told(old)
	next.Prefix = netip.PrefixFrom(a, old.Prefix.Bits())
	if n.addAddr(next, false, ev) != nil {
		return
	}
	if x := n.find(a); x != nil {
		x.dad.tries = tries
		if x.dad.next != 0 {
			x.dad.next = s.now() + max(0, s.tune(tV6IdgenDelay))*second
			s.armAddrs(n)
		}
	}
}

func (n *NIC) log6(line string) {
	if n.stack.cfg.Log != nil {
		n.stack.cfg.Log(6, "IPv6: "+n.Name()+": "+line)
	}
}

// secretAt finds ipv6/conf/NAME/stable_secret; nic is nil for `all` and `default`.
func (s *Stack) secretAt(path string) (nic *NIC, name string, ok bool) {
	family, name, item, ok := splitConf(path, "conf")
	if !ok || family != "ipv6" || item != stableSecret {
		return nil, "", false
	}
	if name == "all" || name == "default" {
		return nil, name, true
	}
	nic = s.NICByName(name)
	return nic, name, nic != nil
}

// secretText returns a secret as Linux writes it: EIO if there is none.
func (s *Stack) secretText(nic *NIC, name string) (string, error) {
	var secret *netip.Addr
	if nic != nil {
		secret = nic.secret.Load()
	} else if name == "default" {
		secret = s.secret6.Load()
	}
	if secret == nil {
		return "", unix.EIO
	}
	return secret.StringExpanded(), nil
}

// setSecret sets the secret of an interface or of `default`, and has addresses made
// of it from now on: EIO for what is no address, and for `all`.
func (s *Stack) setSecret(nic *NIC, name, text string) error {
	text = strings.TrimRight(text, "\n")
	if end := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:.", r) }); end >= 0 {
		text = text[:end] // Linux looks no further
	}
	secret, err := netip.ParseAddr(text)
	if err != nil || !secret.Is6() || nic == nil && name == "all" {
		return unix.EIO
	}
	return s.change(func(*events) error {
		if nic != nil {
			nic.secret.Store(&secret)
			nic.conf6[conf6AddrGenMode].Store(addrGenStable)
			return nil
		}
		s.secret6.Store(&secret)
		for _, n := range s.NICs() {
			n.conf6[conf6AddrGenMode].Store(addrGenStable)
		}
		return nil
	})
}
