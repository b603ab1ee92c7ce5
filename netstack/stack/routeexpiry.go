package stack

import "hull/netstack/route"

// Routes with a deadline, as `ip -6 route add … expires` makes them, are removed
// when it is over. Those of router advertisements are their interface's to renew.

// armRoutes sets the timer for a route that was added.
func (s *Stack) armRoutes(deadline int64) {
	if at := s.routeTimer.deadline.Load(); at == 0 || deadline < at {
		s.routeTimer.set(deadline)
	}
}

// routeTick removes what is over.
func (s *Stack) routeTick() {
	_ = s.change(func(ev *events) error {
		now, next := s.now(), int64(0)
		for _, rib := range s.ribs {
			for _, r := range rib.Flush(func(r *route.Route) bool { return r.Expires != 0 && r.Expires <= now }) {
				ev.route(r, true)
			}
			for t := range rib.Tables() {
				for r := range t.All() {
					next = earlier(next, r.Expires)
				}
			}
		}
		if next != 0 {
			s.armRoutes(next)
		}
		return nil
	})
}
