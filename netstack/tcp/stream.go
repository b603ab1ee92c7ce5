package tcp

import "hull/netstack/buffer"

// stream is the bytes that were written and are not acknowledged yet, by their
// sequence numbers.
type stream struct {
	vs    []buffer.View
	first int   // of vs; what is before it is gone
	base  int64 // sequence number of the first byte of vs[first]
	// Where the last range ended: the next one mostly starts there.
	hint    int
	hintSeq int64
}

// push adds v, taking over its reference.
func (s *stream) push(v buffer.View) {
	if n := len(s.vs); n > s.first {
		if j, ok := s.vs[n-1].Join(v); ok {
			s.vs[n-1] = j
			return
		}
	}
	if s.first > 32 && s.first*2 > len(s.vs) {
		n := copy(s.vs, s.vs[s.first:])
		clear(s.vs[n:])
		s.vs = s.vs[:n]
		s.hint = max(0, s.hint-s.first)
		s.first = 0
	}
	s.vs = append(s.vs, v)
}

// trim releases what is before seq.
func (s *stream) trim(seq int64) {
	for s.base < seq && s.first < len(s.vs) {
		v := s.vs[s.first]
		n := int64(v.Len())
		if s.base+n > seq {
			s.vs[s.first] = v.Trim(int(seq - s.base))
			if s.hint == s.first {
				s.hintSeq = seq
			}
			s.base = seq
			break
		}
		v.Release()
		s.vs[s.first] = buffer.View{}
		s.first++
		s.base += n
	}
	if s.first == len(s.vs) {
		s.vs, s.first = s.vs[:0], 0
	}
	s.base = max(s.base, seq)
	if s.hint < s.first || s.hintSeq < s.base {
		s.hint, s.hintSeq = s.first, s.base
	}
}

// appendRange appends to dst views of [from, to), with references of their own.
func (s *stream) appendRange(dst []buffer.View, from, to int64) []buffer.View {
	i, at := s.first, s.base
	if s.hint >= s.first && s.hint < len(s.vs) && s.hintSeq <= from && s.hintSeq >= s.base {
		i, at = s.hint, s.hintSeq
	}
	for ; i < len(s.vs) && from < to; i++ {
		n := int64(s.vs[i].Len())
		if from < at+n {
			s.hint, s.hintSeq = i, at
			stop := min(to, at+n)
			dst = append(dst, s.vs[i].Sub(int(from-at), int(stop-at)))
			from = stop
		}
		at += n
	}
	return dst
}

// drop releases everything.
func (s *stream) drop() {
	for i := s.first; i < len(s.vs); i++ {
		s.vs[i].Release()
	}
	*s = stream{base: s.base}
}

// readQueue is the bytes that came in order and were not read yet.
type readQueue struct {
	vs    []buffer.View
	first int
	n     int64
	tail  packer
}

// push adds v, taking over its reference.
func (q *readQueue) push(v buffer.View) {
	if v.Len() == 0 {
		v.Release()
		return
	}
	q.n += int64(v.Len())
	if k := len(q.vs); k > q.first {
		if j, ok := q.vs[k-1].Join(v); ok {
			q.vs[k-1] = j
			return
		}
	}
	if q.first > 32 && q.first*2 > len(q.vs) {
		n := copy(q.vs, q.vs[q.first:])
		clear(q.vs[n:])
		q.vs, q.first = q.vs[:n], 0
	}
	q.vs = append(q.vs, v)
}

// discard releases the first n bytes.
func (q *readQueue) discard(n int64) {
	q.n -= n
	for n > 0 {
		v := q.vs[q.first]
		if k := int64(v.Len()); k > n {
			q.vs[q.first] = v.Trim(int(n))
			return
		} else {
			n -= k
		}
		v.Release()
		q.vs[q.first] = buffer.View{}
		q.first++
	}
	if q.first == len(q.vs) {
		q.vs, q.first = q.vs[:0], 0
	}
}

// appendRange appends views of n bytes from off on, with references of their own.
func (q *readQueue) appendRange(dst []buffer.View, off, n int64) []buffer.View {
	for i := q.first; i < len(q.vs) && n > 0; i++ {
		k := int64(q.vs[i].Len())
		if off >= k {
			off -= k
			continue
		}
		m := min(k-off, n)
		dst = append(dst, q.vs[i].Sub(int(off), int(off+m)))
		n -= m
		off = 0
	}
	return dst
}

func (q *readQueue) drop() {
	for i := q.first; i < len(q.vs); i++ {
		q.vs[i].Release()
	}
	q.tail.drop()
	*q = readQueue{}
}

// packer copies small pieces together, so that a peer who sends bytes one by one
// does not hold a chunk with each of them.
type packer struct {
	c    *buffer.Chunk
	used int
}

// pack returns a view of the same bytes that keeps little else in memory: v
// itself if it uses a fair part of its chunk.
func (k *packer) pack(pool *buffer.Pool, v buffer.View) buffer.View {
	if v.Len()*4 >= v.Held() || v.Len() > buffer.SmallChunk/2 {
		return v
	}
	if k.c == nil || k.used+v.Len() > len(k.c.Bytes()) {
		k.drop()
		k.c = pool.Get(buffer.SmallChunk)
	}
	at := k.used
	k.used += copy(k.c.Bytes()[at:], v.Bytes())
	v.Release()
	k.c.Ref()
	return buffer.NewView(k.c, at, k.used)
}

func (k *packer) drop() {
	if k.c != nil {
		k.c.Release()
	}
	*k = packer{}
}
