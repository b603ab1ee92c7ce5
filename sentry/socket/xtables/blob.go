package xtables

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
)

// A table is entries one after the other, of linux/netfilter_ipv4/ip_tables.h or
// netfilter_ipv6/ip6_tables.h:
//
//	struct ipt_entry         header to be matched, where the target and the next
//	                         entry are, counters
//	struct xt_entry_match …  size, name, revision, what the match is given
//	struct xt_entry_target   the same; an empty name is a verdict, "ERROR" a label
//
// form is where things are in an entry of one family.
type form struct {
	family   filter.Family
	offsets  int // target_offset and next_offset
	counters int
	size     int // of the entry without matches and target
}

func formOf(f filter.Family) form {
	if f == filter.IPv6 {
		return form{f, 140, 152, 168}
	}
	return form{f, 88, 96, 112}
}

// The sizes of the structs, in bytes.
const (
	align          = 8
	extHeader      = 32 // struct xt_entry_match and xt_entry_target without data
	standardTarget = extHeader + 8
	errorTarget    = extHeader + 32 // with its alignment
	maxExtName     = 29             // XT_EXTENSION_MAXNAMELEN
	counterSize    = 16             // struct xt_counters
)

// maxBlob bounds a table, in bytes: about 25,000 rules.
const maxBlob = 4 << 20

// extension is a match or a target.
type extension struct {
	name string
	rev  uint8
	data []byte
}

// entry is one of a table.
type entry struct {
	at, next int // offsets
	head     filter.Header
	jumps    bool // it goes to a chain without coming back: IPT_F_GOTO
	matches  []extension
	target   extension
	verdict  int32 // of a standard target
}

func (e *entry) standard() bool { return e.target.name == "" }

func (e *entry) label() bool { return e.target.name == "ERROR" }

// final reports whether every packet gets one of the verdicts that say what becomes
// of it or of the chain.
func (e *entry) final() bool {
	return len(e.matches) == 0 && e.head.Any() && e.standard() && e.verdict < 0
}

// parse reads the entries of a table: EINVAL unless they fill the memory exactly,
// and everything in them lies within them.
func (f form) parse(b []byte) ([]entry, error) {
	if len(b) > maxBlob {
		return nil, unix.ENOMEM
	}
	var all []entry
	for at := 0; at < len(b); {
		e, err := f.entry(b[at:])
		if err != nil {
			return nil, err
		}
		e.at, e.next = at, at+e.next
		all = append(all, e)
		at = e.next
	}
	return all, nil
}

// entry reads the first entry of b. next is its size.
func (f form) entry(b []byte) (e entry, err error) {
	ne := binary.NativeEndian
	if len(b) < f.size+extHeader {
		return e, unix.EINVAL
	}
	target, next := int(ne.Uint16(b[f.offsets:])), int(ne.Uint16(b[f.offsets+2:]))
	if target < f.size || target%align != 0 || next%align != 0 || next > len(b) || target+extHeader > next {
		return e, unix.EINVAL
	}
	e.next = next
	if e.jumps, err = f.header(b, &e.head); err != nil {
		return e, err
	}
	for at := f.size; at < target; {
		m, n, err := readExtension(b[at:target])
		if err != nil || m.name == "" {
			return e, unix.EINVAL
		}
		e.matches = append(e.matches, m)
		at += n
	}
	t, n, err := readExtension(b[target:next])
	if err != nil || target+n > next {
		return e, unix.EINVAL
	}
	e.target = t
	switch {
	case e.standard():
		if n < standardTarget-4 || target+standardTarget != next {
			return e, unix.EINVAL
		}
		e.verdict = int32(ne.Uint32(t.data))
	case e.label():
		if n < errorTarget-2 || target+errorTarget != next {
			return e, unix.EINVAL
		}
	}
	return e, nil
}

// readExtension reads a match or target at the start of b.
func readExtension(b []byte) (x extension, size int, err error) {
	if len(b) < extHeader {
		return x, 0, unix.EINVAL
	}
	size = int(binary.NativeEndian.Uint16(b))
	if size < extHeader || size > len(b) {
		return x, 0, unix.EINVAL
	}
	end := bytes.IndexByte(b[2:2+maxExtName], 0)
	if end < 0 {
		return x, 0, unix.EINVAL
	}
	return extension{string(b[2 : 2+end]), b[31], b[extHeader:size:size]}, size, nil
}

// The flags of struct ipt_ip and ip6t_ip6.
const (
	flagFragment  = 0x01
	flagGoto      = 0x02
	flagProto6    = 0x01
	flagGoto6     = 0x04
	invertedKnown = 0x7f
)

// header reads struct ipt_ip, or ip6t_ip6, at the start of an entry.
func (f form) header(b []byte, h *filter.Header) (jumps bool, err error) {
	ne := binary.NativeEndian
	n, names := 4, 16
	if f.family == filter.IPv6 {
		n, names = 16, 64
	}
	addr := func(at int, mask *[16]byte, maskAt int) netip.Addr {
		copy(mask[:], b[maskAt:maskAt+n])
		if *mask == ([16]byte{}) && allZero(b[at:at+n]) {
			return netip.Addr{}
		}
		a, _ := netip.AddrFromSlice(b[at : at+n])
		return a
	}
	h.Src, h.Dst = addr(0, &h.SrcMask, 2*n), addr(n, &h.DstMask, 3*n)
	copy(h.In[:], b[names:])
	copy(h.Out[:], b[names+16:])
	copy(h.InMask[:], b[names+32:])
	copy(h.OutMask[:], b[names+48:])
	h.Proto = ne.Uint16(b[names+64:])
	flags, invert := b[names+66], b[names+67]
	if f.family == filter.IPv6 {
		flags, invert = b[names+67], b[names+68]
		if flags&^7 != 0 || invert&^invertedKnown != 0 {
			return false, unix.EINVAL
		}
		if flags&flagProto6 == 0 {
			h.Proto = 0
		}
		h.Invert = invert
		return flags&flagGoto6 != 0, nil
	}
	if flags&^3 != 0 || invert&^invertedKnown != 0 {
		return false, unix.EINVAL
	}
	h.Fragment, h.Invert = flags&flagFragment != 0, invert
	return flags&flagGoto != 0, nil
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
