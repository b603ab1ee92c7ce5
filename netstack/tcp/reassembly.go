package tcp

import (
	"slices"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// maxRanges bounds the holes that are kept: more than a window of lost segments
// makes, few enough that looking through them costs nothing.
const maxRanges = 1024

// oooRange is bytes that came before those that precede them.
type oooRange struct {
	start, end int64
	vs         []buffer.View
}

// reassembly is what came out of order: ranges that neither overlap nor touch, in
// the order of their sequence numbers. Their bytes lie within the window, which
// bounds them.
type reassembly struct {
	ranges []oooRange
	bytes  int64
	views  int // in all ranges
	tail   packer
}

// full reports whether the pieces are so many and so small that more of them would
// cost much more memory than they have bytes.
func (o *reassembly) full() bool { return int64(o.views) > 1024+o.bytes/256 }

// insert adds the bytes of vs, which begin at seq, and takes them over. It reports
// the range that they became part of, or what was a duplicate if nothing was new.
func (o *reassembly) insert(seq int64, vs []buffer.View) (at int64, isNew, ok bool) {
	end := seq + size(vs)
	if o.full() {
		release(vs)
		return 0, false, false
	}
	// The first range that reaches seq.
	i, _ := slices.BinarySearchFunc(o.ranges, seq, func(r oooRange, s int64) int {
		if r.end < s {
			return -1
		}
		return 1
	})
	if i < len(o.ranges) && o.ranges[i].start <= seq {
		r := &o.ranges[i]
		if end <= r.end {
			release(vs)
			return r.start, false, true
		}
		vs = trimViews(vs, r.end-seq)
		o.bytes += end - r.end
		o.extend(r, vs)
		r.end = end
	} else {
		if len(o.ranges) >= maxRanges && (i == len(o.ranges) || o.ranges[i].start > end) {
			release(vs)
			return 0, false, false
		}
		o.ranges = slices.Insert(o.ranges, i, oooRange{seq, end, slices.Clone(vs)})
		o.views += len(vs)
		o.bytes += end - seq
	}
	o.merge(i)
	return o.ranges[i].start, true, true
}

// merge joins range i with those that it reaches now.
func (o *reassembly) merge(i int) {
	r := &o.ranges[i]
	j := i + 1
	for ; j < len(o.ranges) && o.ranges[j].start <= r.end; j++ {
		n := &o.ranges[j]
		o.views -= len(n.vs)
		if n.end <= r.end {
			o.bytes -= n.end - n.start
			release(n.vs)
			continue
		}
		over := r.end - n.start
		o.bytes -= over
		o.extend(r, trimViews(n.vs, over))
		r.end = n.end
	}
	o.ranges = slices.Delete(o.ranges, i+1, j)
}

// extend appends views to r's, together if they are next to each other in memory.
func (o *reassembly) extend(r *oooRange, vs []buffer.View) {
	for _, v := range vs {
		if n := len(r.vs); n > 0 {
			if j, ok := r.vs[n-1].Join(v); ok {
				r.vs[n-1] = j
				continue
			}
		}
		r.vs = append(r.vs, v)
		o.views++
	}
}

// take removes the first range if it begins at seq or before and returns its
// bytes from seq on.
func (o *reassembly) take(seq int64) []buffer.View {
	for len(o.ranges) > 0 && o.ranges[0].start <= seq {
		r := o.ranges[0]
		o.bytes -= r.end - r.start
		o.views -= len(r.vs)
		o.ranges[0] = oooRange{}
		o.ranges = o.ranges[1:]
		if len(o.ranges) == 0 {
			o.ranges = nil
		}
		if r.end > seq {
			return trimViews(r.vs, seq-r.start)
		}
		release(r.vs)
	}
	return nil
}

// holding returns the range that has seq.
func (o *reassembly) holding(seq int64) (oooRange, bool) {
	i, _ := slices.BinarySearchFunc(o.ranges, seq, func(r oooRange, s int64) int {
		if r.end <= s {
			return -1
		}
		return 1
	})
	if i < len(o.ranges) && o.ranges[i].start <= seq {
		return o.ranges[i], true
	}
	return oooRange{}, false
}

func (o *reassembly) drop() {
	for _, r := range o.ranges {
		release(r.vs)
	}
	o.tail.drop()
	*o = reassembly{}
}

func size(vs []buffer.View) int64 {
	var n int64
	for _, v := range vs {
		n += int64(v.Len())
	}
	return n
}

func release(vs []buffer.View) {
	for i := range vs {
		vs[i].Release()
		vs[i] = buffer.View{}
	}
}

// trimViews releases the first n bytes of vs and returns the rest.
func trimViews(vs []buffer.View, n int64) []buffer.View {
	for len(vs) > 0 && n > 0 {
		k := int64(vs[0].Len())
		if k > n {
			vs[0] = vs[0].Trim(int(n))
			break
		}
		vs[0].Release()
		vs[0] = buffer.View{}
		vs = vs[1:]
		n -= k
	}
	return vs
}

// cutViews releases what is after the first n bytes of vs.
func cutViews(vs []buffer.View, n int64) []buffer.View {
	for i := range vs {
		k := int64(vs[i].Len())
		if n >= k {
			n -= k
			continue
		}
		keep := vs[i].Sub(0, int(n))
		vs[i].Release()
		vs[i] = keep
		release(vs[i+1:])
		if n == 0 {
			keep.Release()
			return vs[:i]
		}
		return vs[:i+1]
	}
	return vs
}

// duplicate has the next acknowledgment report that a range came twice (RFC 2883).
func (c *Conn) duplicate(from, to int64) {
	if !c.hasSACK || !c.tun.DSACK || from >= to {
		return
	}
	if from < c.rcvNxt {
		c.cfg.Counters.DSACKOldSent.Add(1)
	} else {
		c.cfg.Counters.DSACKOfoSent.Add(1)
	}
	c.ack.dsack = true
	c.ack.dsackAt = header.SACKBlock{Start: uint32(from), End: uint32(to)}
}

// remember puts the range that begins at start first of those that are reported
// (RFC 2018 section 4).
func (c *Conn) remember(start int64) {
	r := &c.ack.recent
	i := slices.Index(r[:], start)
	if i < 0 {
		i = len(r) - 1
	}
	copy(r[1:i+1], r[:i])
	r[0] = start
}

// sackBlocks fills b with what is to be reported and returns how many there are:
// the duplicate, the ranges that changed last, then the others.
func (c *Conn) sackBlocks(b []header.SACKBlock) int {
	n := 0
	if c.ack.dsack {
		b[0] = c.ack.dsackAt
		n = 1
	}
	first := n
	add := func(r oooRange) {
		k := header.SACKBlock{Start: uint32(r.start), End: uint32(r.end)}
		if n < len(b) && !slices.Contains(b[first:n], k) {
			b[n] = k
			n++
		}
	}
	for _, at := range c.ack.recent {
		if r, ok := c.ooo.holding(at); ok {
			add(r)
		}
	}
	for i := 0; i < len(c.ooo.ranges) && n < len(b); i++ {
		add(c.ooo.ranges[i])
	}
	return n
}
