package stack

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"hull/netstack/tcp"
)

// tcpState is what the sockets of TCP share.
type tcpState struct {
	secrets  *tcp.Secrets // immutable
	counters tcp.Counters
	limit    tcp.Limiter
	tun      atomic.Pointer[tcp.Tunables] // what the tunables say; nil: they changed
	cookies  cookieCache
	orphans  atomic.Int64
	waits    atomic.Int64 // connections in TIME_WAIT

	established atomic.Int64 // those in ESTABLISHED and CLOSE_WAIT
	memory      atomic.Int64 // bytes in all queues
}

func (t *tcpState) init(s *Stack) { t.secrets = tcp.NewSecrets(s.cfg.Random) }

// tcpTunables returns the tunables as the engine has them.
func (s *Stack) tcpTunables() *tcp.Tunables {
	if t := s.tcpState.tun.Load(); t != nil {
		return t
	}
	t := s.readTCPTunables()
	s.tcpState.tun.Store(t)
	return t
}

// tcpTunablesChanged has them be read again.
func (s *Stack) tcpTunablesChanged() { s.tcpState.tun.Store(nil) }

// pageSize is the unit of tcp_mem.
const pageSize = 4096

// tcpPressed reports whether the queues of all connections hold more than tcp_mem's
// second number; tcpFull the third.
func (s *Stack) tcpPressed() bool { return s.tcpState.memory.Load() > s.tuneN(tTCPMem, 1)*pageSize }
func (s *Stack) tcpFull() bool    { return s.tcpState.memory.Load() > s.tuneN(tTCPMem, 2)*pageSize }

// account notes what the connection holds of memory. The caller holds the lock.
func (t *tcpSocket) account() {
	n := t.conn.Memory()
	if d := n - t.held; d != 0 {
		t.held = n
		t.stack.tcpState.memory.Add(d)
	}
}

// unaccount gives it back.
func (t *tcpSocket) unaccount() {
	t.stack.tcpState.memory.Add(-t.held)
	t.held = 0
}

// readTCPTunables reads net.ipv4.tcp_*.
func (s *Stack) readTCPTunables() *tcp.Tunables {
	n := func(t tunable) int { return int(s.tune(t)) }
	on := func(t tunable) bool { return s.tune(t) != 0 }
	three := func(t tunable) [3]int {
		return [3]int{int(s.tuneN(t, 0)), int(s.tuneN(t, 1)), int(s.tuneN(t, 2))}
	}
	seconds := func(t tunable) time.Duration { return time.Duration(s.tune(t)) * time.Second }
	millis := func(t tunable) time.Duration { return time.Duration(s.tune(t)) * time.Millisecond }
	return &tcp.Tunables{
		SynRetries: n(tTCPSYNRetries), SynAckRetries: n(tTCPSynackRetries), SynLinearTimeouts: n(tTCPSYNLinearTimeouts),
		Retries1: n(tTCPRetries1), Retries2: n(tTCPRetries2), OrphanRetries: n(tTCPOrphanRetries),
		RTOMin: time.Duration(s.tune(tTCPRTOMinUs)) * time.Microsecond, RTOMax: millis(tTCPRTOMaxMs),
		FinTimeout: seconds(tTCPFinTimeout), KeepIdle: seconds(tTCPKeepaliveTime), KeepInterval: seconds(tTCPKeepaliveIntvl),
		KeepProbes: n(tTCPKeepaliveProbes), WindowScaling: on(tTCPWindowScaling), Timestamps: n(tTCPTimestamps),
		SACK: on(tTCPSack), DSACK: on(tTCPDsack), ECN: n(tTCPECN), ECNFallback: on(tTCPECNFallback), FRTO: n(tTCPFrto),
		Recovery: n(tTCPRecovery), EarlyRetrans: n(tTCPEarlyRetrans), Reordering: n(tTCPReordering),
		MaxReordering: n(tTCPMaxReordering), SlowStartAfterIdle: on(tTCPSlowStartAfterIdle),
		ModerateRcvBuf: on(tTCPModerateRcvbuf), RMem: three(tTCPRmem), WMem: three(tTCPWmem), AdvWinScale: n(tTCPAdvWinScale),
		MTUProbing: n(tTCPMTUProbing), BaseMSS: n(tTCPBaseMss), MTUProbeFloor: n(tTCPMTUProbeFloor),
		ProbeInterval: seconds(tTCPProbeInterval), ProbeThreshold: n(tTCPProbeThreshold), MinSndMSS: n(tTCPMinSndMss),
		PacingSSRatio: n(tTCPPacingSsRatio), PacingCARatio: n(tTCPPacingCaRatio), StdUrg: on(tTCPStdurg), RFC1337: on(tTCPRfc1337),
		ThinLinearTimeouts: on(tTCPThinLinearTimeouts), ChallengeACKLimit: n(tTCPChallengeAckLimit),
		InvalidRateLimit: millis(tTCPInvalidRatelimit), TWReuse: n(tTCPTWReuse), TWReuseDelay: millis(tTCPTWReuseDelay),
		FastOpen: n(tTCPFastopen), NotSentLowat: n(tTCPNotsentLowat), MinTSOSegs: n(tTCPMinTsoSegs), SynCookies: n(tTCPSyncookies),
		MaxSynBacklog: n(tTCPMaxSYNBacklog), MaxTimeWaits: n(tTCPMaxTWBuckets), MaxOrphans: n(tTCPMaxOrphans),
		AbortOnOverflow: on(tTCPAbortOnOverflow), Congestion: s.tuneText(tTCPCongestionControl),
		MinRTTWindow: seconds(tTCPMinRTTWlen), SignedWindows: on(tTCPWorkaroundSignedWindows), PingPongThresh: n(tTCPPingpongThresh),
	}
}

// maxCookies bounds the servers whose Fast Open cookie is remembered.
const maxCookies = 1024

// cookieCache is the Fast Open cookies that servers gave us (RFC 7413 section
// 4.1.3).
type cookieCache struct {
	mu sync.Mutex
	m  map[netip.Addr][]byte
}

func (c *cookieCache) get(a netip.Addr) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[a]
}

func (c *cookieCache) put(a netip.Addr, cookie []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[netip.Addr][]byte{}
	}
	for k := range c.m {
		if len(c.m) < maxCookies {
			break
		}
		delete(c.m, k)
	}
	c.m[a] = cookie
}
