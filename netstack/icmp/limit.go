package icmp

import (
	"net/netip"
	"sync"
)

// maxPeers bounds the peers whose own limit is kept.
const maxPeers = 1024

// peerBurst is how many messages a peer may be sent at once: XRLIM_BURST_FACTOR.
const peerBurst = 6

// Limiter bounds the messages that are sent: a bucket of tokens for all, and one
// for each peer, as RFC 1812 section 4.3.2.8 asks and Linux does.
type Limiter struct {
	mu        sync.Mutex
	perSecond int
	burst     int
	tokens    int64 // in billionths of a message
	last      int64
	peers     map[netip.Addr]bucket
}

type bucket struct{ tokens, last int64 }

// NewLimiter returns a limiter of so many messages a second, with bursts.
func NewLimiter(perSecond, burst int) *Limiter {
	return &Limiter{perSecond: perSecond, burst: burst, tokens: int64(burst) * 1e9, peers: map[netip.Addr]bucket{}}
}

// Set changes the bounds over all peers.
func (l *Limiter) Set(perSecond, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.perSecond, l.burst = perSecond, burst
	l.tokens = min(l.tokens, int64(burst)*1e9)
}

// Allow reports whether a message may be sent to peer now. interval is the time
// between two messages to one peer in the long run; 0 is no bound.
func (l *Limiter) Allow(now int64, peer netip.Addr, interval int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == 0 {
		l.last = now
	}
	elapsed := min(now-l.last, 10e9)
	l.tokens = min(int64(l.burst)*1e9, l.tokens+elapsed*int64(l.perSecond))
	l.last = now
	if l.tokens < 1e9 {
		return false
	}
	if interval > 0 && !l.allowPeer(now, peer, interval) {
		return false
	}
	l.tokens -= 1e9
	return true
}

func (l *Limiter) allowPeer(now int64, peer netip.Addr, interval int64) bool {
	b, ok := l.peers[peer]
	if !ok {
		if len(l.peers) >= maxPeers {
			for a, o := range l.peers {
				if now-o.last > peerBurst*interval {
					delete(l.peers, a)
				}
			}
			for a := range l.peers {
				if len(l.peers) < maxPeers {
					break
				}
				delete(l.peers, a)
			}
		}
		b = bucket{peerBurst * interval, now}
	}
	b.tokens = min(peerBurst*interval, b.tokens+now-b.last)
	b.last = now
	allowed := b.tokens >= interval
	if allowed {
		b.tokens -= interval
	}
	l.peers[peer] = b
	return allowed
}
