package filter

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// VerdictType is the data type of maps to verdicts (NFT_DATA_VERDICT).
const VerdictType = 0xffffff00

// Set is a set or a map. What is in Elements changes while packets pass; the
// rest does not.
type Set struct {
	Name       string
	ID         uint32 // by which a batch names it before it has a handle
	Handle     uint64
	Flags      uint32
	KeyType    uint32
	KeyLen     int
	DataType   uint32
	DataLen    int
	ObjType    uint32
	Timeout    time.Duration
	GCInterval uint32 // milliseconds
	Policy     uint32
	HasPolicy  bool
	Size       uint32
	Fields     []uint32 // lengths in bytes of the parts of a concatenation
	Exprs      []Stateful
	UserData   []byte

	*Elements
}

// Elements is what is in a set.
type Elements struct {
	mu     sync.RWMutex
	exact  map[string]*Element // guarded by mu: by key, of sets without intervals
	sorted []*Element          // guarded by mu: of sets with intervals, by key
	ranges []*Element          // guarded by mu: of concatenations with intervals
	any    *Element            // guarded by mu: for keys that nothing else matches
	swept  int64               // guarded by mu: when a full set was last looked through
}

// Element is one of them.
type Element struct {
	Flags    uint32
	Key      []byte
	KeyEnd   []byte // of a concatenation of intervals
	Data     []byte
	Verdict  *VerdictData
	Object   string
	Timeout  time.Duration // 0 is the set's
	UserData []byte
	Exprs    []Stateful

	expires atomic.Int64 // nanoseconds of the stack's clock; 0 is never
}

// Expires is when the element is gone, in nanoseconds of the stack's clock; 0 is never.
func (e *Element) Expires() int64 { return e.expires.Load() }

// SetExpires says so.
func (e *Element) SetExpires(at int64) { e.expires.Store(at) }

func (e *Element) live(now int64) bool {
	at := e.expires.Load()
	return at == 0 || at > now
}

func newElements() *Elements { return &Elements{exact: map[string]*Element{}} }

// concatRanges says whether the set is one of concatenations with intervals.
func (s *Set) concatRanges() bool { return s.Flags&SetInterval != 0 && len(s.Fields) > 1 }

func (s *Set) interval() bool { return s.Flags&SetInterval != 0 && len(s.Fields) <= 1 }

// IsMap says whether elements have data.
func (s *Set) IsMap() bool { return s.Flags&(SetMap|SetObject) != 0 }

// compare orders the elements of intervals: an end comes before what begins there.
func compare(a, b *Element) int {
	if c := bytes.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	return cmp.Compare(b.Flags&ElemIntervalEnd, a.Flags&ElemIntervalEnd)
}

// find returns the element with the same key, and for intervals the same end of it.
// The caller holds mu.
func (s *Set) find(e *Element) *Element {
	switch {
	case e.Flags&ElemCatchAll != 0:
		return s.any
	case s.interval():
		if i, ok := slices.BinarySearchFunc(s.sorted, e, compare); ok {
			return s.sorted[i]
		}
		return nil
	case s.concatRanges():
		i := slices.IndexFunc(s.ranges, func(o *Element) bool { return bytes.Equal(o.Key, e.Key) && bytes.Equal(o.end(), e.end()) })
		if i < 0 {
			return nil
		}
		return s.ranges[i]
	}
	return s.exact[string(e.Key)]
}

func (e *Element) end() []byte {
	if e.KeyEnd == nil {
		return e.Key
	}
	return e.KeyEnd
}

// Get returns an element as find does, if it has not expired.
func (s *Set) Get(e *Element, now int64) *Element {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if found := s.find(e); found != nil && found.live(now) {
		return found
	}
	return nil
}

// Find returns the element that a key belongs to: of an interval the beginning, or
// the end if that is what e is.
func (s *Set) Find(e *Element, now int64) *Element {
	if !s.interval() || e.Flags&ElemCatchAll != 0 {
		return s.Get(e, now)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e.Flags&ElemIntervalEnd == 0 {
		return s.inInterval(e.Key, now)
	}
	i, _ := slices.BinarySearchFunc(s.sorted, e, compare)
	for ; i < len(s.sorted); i++ {
		if x := s.sorted[i]; x.live(now) {
			if x.Flags&ElemIntervalEnd == 0 {
				return nil
			}
			return x
		}
	}
	return nil
}

// Len is the number of elements, expired ones included.
func (s *Set) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := len(s.exact) + len(s.sorted) + len(s.ranges)
	if s.any != nil {
		n++
	}
	return n
}

// All returns the elements that have not expired, those of exact keys in the order
// of the keys.
func (s *Set) All(now int64) []*Element {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*Element
	for _, e := range s.exact {
		all = append(all, e)
	}
	slices.SortFunc(all, compare)
	all = append(append(all, s.sorted...), s.ranges...)
	if s.any != nil {
		all = append(all, s.any)
	}
	return slices.DeleteFunc(all, func(e *Element) bool { return !e.live(now) })
}

// add adds an element: EEXIST if there is one, ENFILE if the set is full.
func (s *Set) add(e *Element, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.find(e); old != nil {
		if old.live(now) {
			return unix.EEXIST
		}
		s.drop(old)
	}
	n := len(s.exact) + len(s.sorted) + len(s.ranges)
	limit := MaxElements
	if s.Size != 0 {
		limit = min(limit, int(s.Size))
		if s.interval() {
			limit = min(2*limit, MaxElements) // an interval is two
		}
	}
	if n >= limit && !s.expire(now) {
		return unix.ENFILE
	}
	switch {
	case e.Flags&ElemCatchAll != 0:
		s.any = e
	case s.interval():
		i, _ := slices.BinarySearchFunc(s.sorted, e, compare)
		s.sorted = slices.Insert(s.sorted, i, e)
	case s.concatRanges():
		s.ranges = append(s.ranges, e)
	default:
		s.exact[string(e.Key)] = e
	}
	return nil
}

// sweepEvery is how often a full set is looked through for what has expired, in
// nanoseconds: packets that find it full are to cost no more than others.
const sweepEvery = int64(time.Second)

// expire removes what has expired, and reports whether that made room. The caller
// holds mu.
func (s *Set) expire(now int64) bool {
	if s.swept != 0 && now-s.swept < sweepEvery {
		return false
	}
	s.swept = now
	dead := func(e *Element) bool { return !e.live(now) }
	was := len(s.exact) + len(s.sorted) + len(s.ranges)
	for k, e := range s.exact {
		if dead(e) {
			delete(s.exact, k)
		}
	}
	s.sorted, s.ranges = slices.DeleteFunc(s.sorted, dead), slices.DeleteFunc(s.ranges, dead)
	return len(s.exact)+len(s.sorted)+len(s.ranges) < was
}

// drop removes an element that find returned. The caller holds mu.
func (s *Set) drop(e *Element) {
	same := func(o *Element) bool { return o == e }
	switch {
	case s.any == e:
		s.any = nil
	case s.interval():
		s.sorted = slices.DeleteFunc(s.sorted, same)
	case s.concatRanges():
		s.ranges = slices.DeleteFunc(s.ranges, same)
	default:
		delete(s.exact, string(e.Key))
	}
}

// remove removes the element with the same key: ENOENT.
func (s *Set) remove(e *Element, now int64) (*Element, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.find(e)
	if old == nil || !old.live(now) {
		return nil, unix.ENOENT
	}
	s.drop(old)
	return old, nil
}

// clone returns a set with the same elements, to which others may be added.
func (s *Set) clone() *Set {
	n := *s
	s.mu.RLock()
	defer s.mu.RUnlock()
	n.Elements = &Elements{
		exact: make(map[string]*Element, len(s.exact)), sorted: slices.Clone(s.sorted), ranges: slices.Clone(s.ranges), any: s.any,
	}
	for k, e := range s.exact {
		n.exact[k] = e
	}
	return &n
}

// match returns the element that a key belongs to, or nil.
func (s *Set) match(key []byte, now int64) *Element {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var e *Element
	switch {
	case s.interval():
		e = s.inInterval(key, now)
	case s.concatRanges():
		for _, r := range s.ranges {
			if r.live(now) && s.inRanges(r, key) {
				e = r
				break
			}
		}
	default:
		if e = s.exact[string(key)]; e != nil && !e.live(now) {
			e = nil
		}
	}
	if e == nil && s.any != nil && s.any.live(now) {
		e = s.any
	}
	return e
}

// inInterval returns the beginning of the interval that a key is in.
func (s *Set) inInterval(key []byte, now int64) *Element {
	probe := &Element{Key: key}
	i, found := slices.BinarySearchFunc(s.sorted, probe, compare)
	if found {
		i++
	}
	// What begins at the key or before it, and has not ended.
	for i--; i >= 0; i-- {
		e := s.sorted[i]
		if e.live(now) {
			if e.Flags&ElemIntervalEnd != 0 {
				return nil
			}
			return e
		}
	}
	return nil
}

// inRanges reports whether each part of a key is within its part of an element.
func (s *Set) inRanges(e *Element, key []byte) bool {
	at, end := 0, e.end()
	for _, n := range s.Fields {
		to := at + int(n)
		if to > len(key) || to > len(e.Key) || to > len(end) ||
			bytes.Compare(key[at:to], e.Key[at:to]) < 0 || bytes.Compare(key[at:to], end[at:to]) > 0 {
			return false
		}
		at += int(n+3) &^ 3
	}
	return true
}
