package mem

import "math/bits"

// cache is freed memory that waits, dirty, for its next use: runs of pages that
// never touch, found by where they begin, by where they end, and by size. A bin
// has the runs of 2^k pages up to twice as many, the one freed last first: it
// is warm.
//
// Programs come and go with the same few pages each. What is not kept apart by
// size ends as dust that no request fits into, while each request is punched
// out of the host anew.
type cache struct {
	limit   uint64 // how much there may be
	bytes   uint64
	byStart map[uint64]*run
	byEnd   map[uint64]*run
	bins    [maxBins]*run
}

// maxBins is enough for the largest run, cacheLimit.
const maxBins = 14

// run is one cached range, in the list of its bin.
type run struct {
	Range
	next, prev *run
}

// binOf returns the bin of a range of n bytes.
func binOf(n uint64) int { return min(bits.Len64(n/pageSize)-1, maxBins-1) }

// put adds a range, joined with its neighbours.
func (c *cache) put(r Range) {
	if c.byStart == nil {
		c.byStart, c.byEnd = map[uint64]*run{}, map[uint64]*run{}
	}
	if b := c.byEnd[r.Start]; b != nil {
		r.Start = b.Start
		c.remove(b)
	}
	if a := c.byStart[r.End]; a != nil {
		r.End = a.End
		c.remove(a)
	}
	n := &run{Range: r}
	head := &c.bins[binOf(r.Len())]
	if n.next = *head; n.next != nil {
		n.next.prev = n
	}
	*head = n
	c.byStart[r.Start], c.byEnd[r.End] = n, n
	c.bytes += r.Len()
}

func (c *cache) remove(n *run) {
	if n.next != nil {
		n.next.prev = n.prev
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		c.bins[binOf(n.Len())] = n.next
	}
	delete(c.byStart, n.Start)
	delete(c.byEnd, n.End)
	c.bytes -= n.Len()
}

// tries is how many runs of the bin that may be too small are looked at.
const tries = 8

// take returns n bytes of the cache; ok is false if no run is long enough.
func (c *cache) take(n uint64) (r Range, ok bool) {
	first := binOf(n)
	for i, k := c.bins[first], 0; i != nil && k < tries; i, k = i.next, k+1 {
		if i.Len() >= n {
			return c.split(i, n), true
		}
	}
	for b := first + 1; b < maxBins; b++ {
		if i := c.bins[b]; i != nil {
			return c.split(i, n), true
		}
	}
	return Range{}, false
}

// split takes the first n bytes of a run.
func (c *cache) split(i *run, n uint64) Range {
	c.remove(i)
	if i.Len() > n {
		c.put(Range{i.Start + n, i.End})
	}
	return Range{i.Start, i.Start + n}
}

// drain empties the cache and returns what was in it.
func (c *cache) drain() []Range {
	var all []Range
	for _, i := range c.byStart {
		all = append(all, i.Range)
	}
	*c = cache{limit: c.limit}
	return all
}
