package xtables

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/usermem"
)

// The options, IPT_SO_* and IP6T_SO_*. Those that set and those that get have the
// same numbers.
const (
	setReplace  = 64
	addCounters = 65

	getInfo           = 64
	getEntries        = 65
	getMatch4         = 66 // IPT_SO_GET_REVISION_MATCH, and the one for targets behind it
	getMatch6         = 68
	firstSet, lastSet = setReplace, addCounters

	// OriginalDst is SO_ORIGINAL_DST, and IP6T_SO_ORIGINAL_DST.
	OriginalDst = 80
)

// The structs, sizes in bytes: ipt_getinfo, ipt_get_entries, ipt_replace and
// xt_counters_info without what comes behind, xt_get_revision.
const (
	nameSize     = 32
	infoSize     = 84
	entriesSize  = 40
	replaceSize  = 96
	countersSize = 40
	revisionSize = 30
)

// IsSet reports whether a number of level SOL_IP or SOL_IPV6 is one that sets.
func IsSet(name int32) bool { return name >= firstSet && name <= lastSet }

// IsGet reports whether it is one that asks.
func IsGet(v6 bool, name int32) bool {
	match := int32(getMatch4)
	if v6 {
		match = getMatch6
	}
	return name == getInfo || name == getEntries || name == match || name == match+1
}

// MaxValue is the most bytes that a value may have that sets.
const MaxValue = replaceSize + maxBlob

// Tables is the legacy tables of one family of a namespace.
type Tables struct {
	Stack *stack.Stack
	V6    bool
}

func (x Tables) form() form {
	if x.V6 {
		return formOf(filter.IPv6)
	}
	return formOf(filter.IPv4)
}

// table returns a table by the name that b begins with: ENOENT. With the first
// question the initial one comes to be, as on Linux its module is loaded.
func (x Tables) table(b []byte) (*table, error) {
	end := bytes.IndexByte(b[:nameSize], 0)
	if end < 0 {
		return nil, unix.EINVAL
	}
	k := kindOf(string(b[:end]))
	if k == nil {
		return nil, unix.ENOENT
	}
	f := x.form()
	rules := x.Stack.Rules()
	if t := rules.Ruleset().Legacy(f.family, k.name); t != nil {
		return t.Origin.(*table), nil
	}
	made, err := compile(k, f, k.initial(f))
	if err != nil {
		return nil, err
	}
	err = rules.SetLegacy(made, func(was *filter.Table) error {
		if was != nil { // somebody else has asked, too
			made = was
			return unix.EEXIST
		}
		return nil
	})
	if err != nil && err != unix.EEXIST {
		return nil, err
	}
	return made.Origin.(*table), nil
}

// Names returns the tables that somebody has asked for or set, for
// /proc/net/ip_tables_names.
func (x Tables) Names() []string {
	if !x.Stack.HasRules() {
		return nil
	}
	return x.Stack.Rules().Ruleset().LegacyNames(x.form().family)
}

// Set is setsockopt(2) with one of the options. The caller has seen to it that the
// task may: CAP_NET_ADMIN.
func (x Tables) Set(t current.Task, name int32, value []byte) error {
	if name == addCounters {
		return x.add(value)
	}
	return x.replace(t, value)
}

// replace is IPT_SO_SET_REPLACE. What the rules counted that are replaced goes to
// the caller.
func (x Tables) replace(t current.Task, b []byte) error {
	if len(b) < replaceSize {
		return unix.EINVAL
	}
	ne := binary.NativeEndian
	end := bytes.IndexByte(b[:nameSize], 0)
	if end < 0 {
		return unix.EINVAL
	}
	k := kindOf(string(b[:end]))
	if k == nil {
		return unix.ENOENT
	}
	entries, size := ne.Uint32(b[36:]), ne.Uint32(b[40:])
	wanted, to := ne.Uint32(b[84:]), usermem.Addr(ne.Uint64(b[88:]))
	if uint64(len(b)) != replaceSize+uint64(size) || ne.Uint32(b[32:]) != k.hooks || wanted == 0 {
		return unix.EINVAL
	}
	n := &table{kind: k, blob: b[replaceSize:]}
	for h := range filter.Hooks {
		n.entry[h], n.underflow[h] = ne.Uint32(b[44+4*h:]), ne.Uint32(b[64+4*h:])
	}
	f := x.form()
	made, err := compile(k, f, n)
	if err != nil {
		return err
	}
	if uint32(len(n.counters)) != entries {
		return unix.EINVAL
	}
	if _, err := x.table(b); err != nil {
		return err
	}
	var old *table
	err = x.Stack.Rules().SetLegacy(made, func(was *filter.Table) error {
		old = was.Origin.(*table)
		if uint32(len(old.counters)) != wanted {
			return unix.EAGAIN // somebody else has replaced it since the caller read it
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The new rules hold whether the old ones' numbers can be told or not.
	_, _ = t.Mem().CopyOut(to, old.counts())
	return nil
}

// counts is the counters of all entries as struct xt_counters.
func (t *table) counts() []byte {
	ne := binary.NativeEndian
	b := make([]byte, 0, len(t.counters)*counterSize)
	for _, c := range t.counters {
		packets, bytes := c.Values(false)
		b = ne.AppendUint64(ne.AppendUint64(b, packets), bytes)
	}
	return b
}

// add is IPT_SO_SET_ADD_COUNTERS.
func (x Tables) add(b []byte) error {
	if len(b) < countersSize {
		return unix.EINVAL
	}
	ne := binary.NativeEndian
	n := uint64(ne.Uint32(b[nameSize:]))
	if uint64(len(b)) != countersSize+n*counterSize {
		return unix.EINVAL
	}
	t, err := x.table(b)
	if err != nil {
		return err
	}
	if n != uint64(len(t.counters)) {
		return unix.EINVAL
	}
	for i, c := range t.counters {
		at := countersSize + i*counterSize
		c.Add(ne.Uint64(b[at:]), ne.Uint64(b[at+8:]))
	}
	return nil
}

// Get is getsockopt(2) with one of the options; in is what the caller passed of the
// max bytes that it has room for. The caller has seen to it that the task may.
func (x Tables) Get(name int32, in []byte, max int) ([]byte, error) {
	switch name {
	case getInfo:
		return x.info(in, max)
	case getEntries:
		return x.entries(in, max)
	}
	return x.revision(name, in, max)
}

func (x Tables) info(in []byte, max int) ([]byte, error) {
	if max != infoSize || len(in) < nameSize {
		return nil, unix.EINVAL
	}
	t, err := x.table(in)
	if err != nil {
		return nil, err
	}
	ne := binary.NativeEndian
	b := make([]byte, nameSize, infoSize)
	copy(b, t.kind.name)
	b = ne.AppendUint32(b, t.kind.hooks)
	for _, v := range t.entry {
		b = ne.AppendUint32(b, v)
	}
	for _, v := range t.underflow {
		b = ne.AppendUint32(b, v)
	}
	b = ne.AppendUint32(b, uint32(len(t.counters)))
	return ne.AppendUint32(b, uint32(len(t.blob))), nil
}

// entries returns the table with the counters of now.
func (x Tables) entries(in []byte, max int) ([]byte, error) {
	ne := binary.NativeEndian
	if len(in) < entriesSize || uint64(max) != entriesSize+uint64(ne.Uint32(in[nameSize:])) {
		return nil, unix.EINVAL
	}
	t, err := x.table(in)
	if err != nil {
		return nil, err
	}
	if max != entriesSize+len(t.blob) {
		return nil, unix.EAGAIN
	}
	b := append(bytes.Clone(in[:entriesSize]), t.blob...)
	for i, at := range t.at {
		packets, bytes := t.counters[i].Values(false)
		ne.PutUint64(b[entriesSize+at:], packets)
		ne.PutUint64(b[entriesSize+at+8:], bytes)
	}
	return b, nil
}

// revision answers whether there is a match or a target of a revision: ENOENT for a
// name that is not known, EPROTONOSUPPORT for a revision that is not.
func (x Tables) revision(name int32, in []byte, max int) ([]byte, error) {
	if max != revisionSize || len(in) < revisionSize {
		return nil, unix.EINVAL
	}
	end := max - 1
	if i := bytes.IndexByte(in[:end], 0); i >= 0 {
		end = i
	}
	ext, rev := string(in[:end]), uint32(in[revisionSize-1])
	f := x.form().family
	match := name == getMatch4 && !x.V6 || name == getMatch6 && x.V6
	has := func(rev uint32) bool {
		if match {
			return filter.HasMatch(f, ext, rev)
		}
		return filter.HasTarget(ext, rev)
	}
	if has(rev) {
		return in[:revisionSize], nil
	}
	for other := range uint32(8) {
		if has(other) {
			return nil, unix.EPROTONOSUPPORT
		}
	}
	return nil, unix.ENOENT
}
