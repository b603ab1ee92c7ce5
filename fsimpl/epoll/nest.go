package epoll

import "golang.org/x/sys/unix"

// maxNests is how many sets may be in each other, the outermost not counted
// (EP_MAX_NESTS). It bounds how deep a callback goes.
const maxNests = 4

func (s *Set) addParent(p *Set) {
	s.mu.Lock()
	s.parents[p]++
	s.mu.Unlock()
}

func (s *Set) dropParent(p *Set) {
	s.mu.Lock()
	if s.parents[p]--; s.parents[p] <= 0 {
		delete(s.parents, p)
	}
	s.mu.Unlock()
}

// inside returns the sets that are in s.
func (s *Set) inside() []*Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []*Set
	for _, it := range s.items {
		if it.inner != nil {
			l = append(l, it.inner)
		}
	}
	return l
}

// around returns the sets that s is in.
func (s *Set) around() []*Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []*Set
	for p := range s.parents {
		l = append(l, p)
	}
	return l
}

// checkNesting refuses with ELOOP to have inner in s, which is already so, if
// that makes a circle or too deep a nest.
func (s *Set) checkNesting(inner *Set) error {
	down, ok := height(inner, s, (*Set).inside, map[*Set]int{}, 0)
	if !ok {
		return unix.ELOOP
	}
	up, ok := height(s, inner, (*Set).around, map[*Set]int{}, 0)
	if !ok || down+1+up > maxNests {
		return unix.ELOOP
	}
	return nil
}

// height returns how long the longest way from s is along next; ok is false if
// it meets avoid or is longer than any allowed.
func height(s, avoid *Set, next func(*Set) []*Set, seen map[*Set]int, depth int) (h int, ok bool) {
	if s == avoid || depth > maxNests {
		return 0, false
	}
	if h, done := seen[s]; done {
		return h, true
	}
	for _, n := range next(s) {
		k, ok := height(n, avoid, next, seen, depth+1)
		if !ok {
			return 0, false
		}
		h = max(h, k+1)
	}
	seen[s] = h
	return h, true
}
