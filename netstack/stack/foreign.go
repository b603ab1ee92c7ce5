package stack

// Foreign is a share of our addresses' ports that another stack has, which gets what
// arrives too: what comes from port From to the ports Low to High.
type Foreign struct{ From, Low, High uint16 }

// SetForeign has what is for that share, and for no socket here, go without an
// answer.
func (s *Stack) SetForeign(f Foreign) { s.foreign.Store(&f) }

// isForeign reports whether a packet without a socket is another stack's.
func (s *Stack) isForeign(r *received) bool {
	f := s.foreign.Load()
	return f != nil && !r.local && r.src.Port() == f.From && r.dst.Port() >= f.Low && r.dst.Port() <= f.High
}
