package stack

import (
	"slices"
	"sync"
	"time"

	"hull/netstack/tcp"
)

// fastOpens counts what a listener has given to Accept, or may have, before the
// handshake was complete: who spoofs an address, or has none behind it, gets no
// further than TCP_FASTOPEN says (RFC 7413 section 5.1). One that was reset still
// counts for a while, or SYNs and resets in turn would be without bound. Its lock
// is taken while a socket's is held.
type fastOpens struct {
	mu      sync.Mutex
	pending int
	resets  []int64 // until when those count that were reset, the first first
}

// resetCounts is how long a connection that was reset counts: Linux's.
const resetCounts = 60 * time.Second

// take reports whether one more is allowed, of so many at a time, and counts it.
func (f *fastOpens) take(now int64, most int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending+len(f.resets) >= most {
		if len(f.resets) == 0 || f.resets[0] > now {
			return false
		}
		f.resets = f.resets[1:]
	}
	f.pending++
	return true
}

// done ends the count of one.
func (f *fastOpens) done(now int64, reset bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending--
	if reset {
		f.resets = append(f.resets, now+int64(resetCounts))
	}
}

// settled says that a connection that began with data is open, or over. The caller
// holds the lock.
func (t *tcpSocket) settled(reset bool) {
	if f := t.early; f != nil {
		t.early = nil
		f.done(t.stack.now(), reset)
	}
}

// fastServer is what a listener's options say of Fast Open.
type fastServer struct {
	most     int // connections whose handshake is not complete
	noCookie bool
	keys     []byte
	opens    *fastOpens
}

// fastServer returns what is done with SYNs that have the option or data. The
// caller holds the listener's lock. With 0x400 of tcp_fastopen every listener has it.
func (t *tcpSocket) fastServer(mode int) fastServer {
	f := fastServer{most: t.opts.fastOpenQueue, noCookie: t.opts.fastOpenNoCookie || mode&0x200 != 0, keys: t.opts.fastOpenKey, opens: &t.listener.fast}
	if f.most == 0 && mode&0x400 != 0 {
		f.most = t.listener.backlog
	}
	if mode&2 == 0 {
		f.most = 0
	}
	return f
}

// decide says whether the data of a SYN are taken, and which cookie is given (RFC
// 7413 section 4.2). It returns what counts the connection if they are.
func (f *fastServer) decide(s *Stack, now int64, cfg *tcp.Config, seg *tcp.Segment, r *received) *fastOpens {
	cfg.FastOpen, cfg.Cookie = false, nil
	if f.most == 0 || seg.Len == 0 && !seg.Opt.HasFastOpen {
		return nil
	}
	good, cookie := f.noCookie && seg.Len > 0, []byte(nil)
	if !good && !f.noCookie && seg.Opt.HasFastOpen {
		keys := f.keys
		if keys == nil {
			k := s.tcpState.secrets.FastOpenKey()
			keys = k[:]
		}
		for k := range slices.Chunk(keys, 16) { // the first one gives cookies, both take them
			c := s.tcpState.secrets.FastOpenCookie([16]byte(k), r.dst.Addr(), r.src.Addr())
			if good = string(c) == string(seg.Opt.FastOpen); good {
				break
			}
			if cookie == nil {
				cookie = c
			}
		}
	}
	switch {
	case good && f.opens.take(now, f.most):
		cfg.FastOpen = true
		return f.opens
	case good:
		s.tcpState.counters.FastOpenListenOverflow.Add(1)
	case cookie != nil:
		s.tcpState.counters.FastOpenCookieReqd.Add(1)
		cfg.Cookie = cookie
	}
	return nil
}
