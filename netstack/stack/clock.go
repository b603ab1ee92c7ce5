package stack

// Now returns the time of the stack's clock in nanoseconds: what route.Route's
// Expires and neigh.Info's times are counted in.
func (s *Stack) Now() int64 { return s.cfg.Now() }
