package tcp

// rtt estimates the round trip and the retransmission time-out (RFC 6298), with
// Linux's bounds: the time-out is the smoothed time and at least 200 ms more.
type rtt struct {
	srtt, rttvar int64 // ns; srtt 0: no sample yet
	rto          int64
	synAt        int64 // when the first SYN left
	synAgain     bool  // it left more than once
	min          minFilter
}

func (r *rtt) init(c *Conn) { r.rto = int64(initialRTO) }

// sample takes a measured round trip in.
func (r *rtt) sample(c *Conn, now, m int64) {
	m = max(m, 1)
	if r.srtt == 0 {
		r.srtt, r.rttvar = m, m/2
		if r.min.value == 0 {
			r.min.update(now, m, int64(c.tun.MinRTTWindow))
		}
	} else {
		d := r.srtt - m
		if d < 0 {
			d = -d
		}
		r.rttvar += (d - r.rttvar) / 4
		r.srtt += (m - r.srtt) / 8
	}
	r.rearm(c)
}

// rearm computes the time-out anew, without backing off.
func (r *rtt) rearm(c *Conn) {
	if r.srtt == 0 {
		return
	}
	r.rto = min(r.srtt+max(4*r.rttvar, c.rtoMin()), c.rtoMax())
}

// minRTT is the least round trip of the last five minutes, or 0.
func (r *rtt) minRTT(now int64) int64 { return r.min.value }

func (c *Conn) rtoMin() int64 {
	if c.opt.RTOMin > 0 {
		return int64(c.opt.RTOMin)
	}
	return int64(c.tun.RTOMin)
}

func (c *Conn) rtoMax() int64 {
	if c.cfg.RTOMax > 0 {
		return int64(c.cfg.RTOMax)
	}
	return int64(c.tun.RTOMax)
}

// minFilter keeps the least value of a window of time.
type minFilter struct {
	value, at int64
	next      int64 // the least of the window's younger half
	nextAt    int64
}

// update takes a value in; window is how long a value counts, ns.
func (f *minFilter) update(now, v, window int64) {
	switch {
	case f.value == 0 || v <= f.value:
		f.value, f.at = v, now
		f.next, f.nextAt = v, now
	case now-f.at > window:
		f.value, f.at = f.next, f.nextAt
		f.next, f.nextAt = v, now
		if v < f.value || now-f.at > window {
			f.value, f.at = v, now
		}
	case v <= f.next || now-f.nextAt > window/2:
		f.next, f.nextAt = v, now
	}
}
