package route

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// trie maps prefixes of one family to values. It is immutable: with and without
// return another one that shares what did not change. Chains of nodes with one
// child are compressed, so that a walk visits at most one node a branching.
type trie[V any] struct {
	root *node[V]
	size int
}

type node[V any] struct {
	key   key
	child [2]*node[V]
	value V
	set   bool // a prefix ends here, and not only branches
}

// key is the first bits of an address, left-aligned; the others are zero.
type key struct {
	hi, lo uint64
	bits   uint8
}

func keyOf(p netip.Prefix) key {
	k := addrKey(p.Addr())
	k.bits = uint8(p.Bits())
	return k.cut(k.bits)
}

func addrKey(a netip.Addr) key {
	if a.Is4() {
		b := a.As4()
		return key{uint64(binary.BigEndian.Uint32(b[:])) << 32, 0, 32}
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), 128}
}

// cut returns the first n bits of k.
func (k key) cut(n uint8) key {
	switch {
	case n == 0:
		return key{}
	case n < 64:
		return key{k.hi &^ (^uint64(0) >> n), 0, n}
	case n == 64:
		return key{k.hi, 0, n}
	case n < 128:
		return key{k.hi, k.lo &^ (^uint64(0) >> (n - 64)), n}
	}
	return key{k.hi, k.lo, n}
}

// bit returns bit n, counted from the left.
func (k key) bit(n uint8) int {
	if n < 64 {
		return int(k.hi >> (63 - n) & 1)
	}
	return int(k.lo >> (127 - n) & 1)
}

// common returns how many leading bits k and o share, at most the shorter's.
func (k key) common(o key) uint8 {
	n := bits.LeadingZeros64(k.hi ^ o.hi)
	if n == 64 {
		n += bits.LeadingZeros64(k.lo ^ o.lo)
	}
	return min(uint8(n), k.bits, o.bits)
}

// covers reports whether k is a prefix of o.
func (k key) covers(o key) bool { return k.common(o) == k.bits }

// get returns the value of exactly p.
func (t trie[V]) get(p netip.Prefix) (v V, ok bool) {
	k := keyOf(p)
	for n := t.root; n != nil && n.key.covers(k); n = n.child[k.bit(n.key.bits)] {
		if n.key.bits == k.bits {
			return n.value, n.set
		}
	}
	return v, false
}

// matches calls yield with the values of the prefixes that cover a, the longest
// first, until it returns true, and reports whether it did.
func (t trie[V]) matches(a netip.Addr, yield func(V) bool) bool {
	var path [129]*node[V]
	depth := 0
	k := addrKey(a)
	for n := t.root; n != nil && n.key.covers(k); n = n.child[k.bit(n.key.bits)] {
		if n.set {
			path[depth] = n
			depth++
		}
		if n.key.bits == k.bits {
			break
		}
	}
	for depth--; depth >= 0; depth-- {
		if yield(path[depth].value) {
			return true
		}
	}
	return false
}

// with returns a trie in which p has the value v.
func (t trie[V]) with(p netip.Prefix, v V) trie[V] {
	root, added := insert(t.root, keyOf(p), v)
	if added {
		t.size++
	}
	return trie[V]{root, t.size}
}

func insert[V any](n *node[V], k key, v V) (*node[V], bool) {
	if n == nil {
		return &node[V]{key: k, value: v, set: true}, true
	}
	same := n.key.common(k)
	switch {
	case same == n.key.bits && same == k.bits:
		c := *n
		c.value, c.set = v, true
		return &c, !n.set
	case same == n.key.bits:
		c := *n
		b := k.bit(same)
		var added bool
		c.child[b], added = insert(n.child[b], k, v)
		return &c, added
	case same == k.bits:
		c := &node[V]{key: k, value: v, set: true}
		c.child[n.key.bit(same)] = n
		return c, true
	}
	fork := &node[V]{key: k.cut(same)}
	fork.child[n.key.bit(same)] = n
	fork.child[k.bit(same)] = &node[V]{key: k, value: v, set: true}
	return fork, true
}

// without returns a trie in which p has no value.
func (t trie[V]) without(p netip.Prefix) trie[V] {
	root, removed := remove(t.root, keyOf(p))
	if removed {
		t.size--
	}
	return trie[V]{root, t.size}
}

func remove[V any](n *node[V], k key) (*node[V], bool) {
	if n == nil || !n.key.covers(k) {
		return n, false
	}
	c := *n
	if n.key.bits == k.bits {
		if !n.set {
			return n, false
		}
		var zero V
		c.value, c.set = zero, false
	} else {
		b := k.bit(n.key.bits)
		var removed bool
		if c.child[b], removed = remove(n.child[b], k); !removed {
			return n, false
		}
	}
	if !c.set {
		if c.child[0] == nil {
			return c.child[1], true
		}
		if c.child[1] == nil {
			return c.child[0], true
		}
	}
	return &c, true
}

// each calls yield with every value, in the order of addresses, a shorter
// prefix before a longer one, until it returns false.
func (t trie[V]) each(yield func(V) bool) bool { return each(t.root, yield) }

func each[V any](n *node[V], yield func(V) bool) bool {
	if n == nil {
		return true
	}
	if n.set && !yield(n.value) {
		return false
	}
	return each(n.child[0], yield) && each(n.child[1], yield)
}
