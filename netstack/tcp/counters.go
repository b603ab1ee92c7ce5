package tcp

import (
	"sync"
	"sync/atomic"
)

// Counters are what the engine counts, by the names of /proc/net/snmp ("Tcp") and
// /proc/net/netstat ("TcpExt"). One of a stack is shared by its connections.
type Counters struct {
	// Tcp.
	ActiveOpens, PassiveOpens, AttemptFails, EstabResets atomic.Uint64
	InSegs, OutSegs, RetransSegs, InErrs, OutRsts        atomic.Uint64
	InCsumErrors                                         atomic.Uint64
	// TcpExt: connections.
	SyncookiesSent, SyncookiesRecv, SyncookiesFailed   atomic.Uint64
	EmbryonicRsts, PruneCalled, OfoPruned              atomic.Uint64
	TW, TWRecycled, TWKilled                           atomic.Uint64
	PAWSActive, PAWSEstab, DelayedACKs, DelayedACKLost atomic.Uint64
	ListenOverflows, ListenDrops                       atomic.Uint64
	AbortOnData, AbortOnClose, AbortOnMemory           atomic.Uint64
	AbortOnTimeout, AbortOnLinger, AbortFailed         atomic.Uint64
	ReqQFullDoCookies, ReqQFullDrop, DeferAcceptDrop   atomic.Uint64
	ChallengeACK, SYNChallenge, ACKSkipped             atomic.Uint64
	TimeWaitOverflow, KeepAlive, Timeouts, SynRetrans  atomic.Uint64
	// TcpExt: data.
	HPHits, PureAcks, HPAcks                              atomic.Uint64
	OFOQueue, OFODrop, OFOMerge, RcvPruned, BacklogDrop   atomic.Uint64
	FromZeroWindowAdv, ToZeroWindowAdv, WantZeroWindowAdv atomic.Uint64
	WinProbe, OrigDataSent, AutoCorking                   atomic.Uint64
	RcvCoalesce, RcvCollapsed, Delivered, DeliveredCE     atomic.Uint64
	// TcpExt: loss.
	RenoRecovery, SackRecovery, SACKReneging            atomic.Uint64
	SACKReorder, RenoReorder, TSReorder                 atomic.Uint64
	FullUndo, PartialUndo, DSACKUndo, LossUndo          atomic.Uint64
	LostRetransmit, RenoFailures, SackFailures          atomic.Uint64
	LossFailures, FastRetrans, SlowStartRetrans         atomic.Uint64
	RetransFail, LossProbes, LossProbeRecovery          atomic.Uint64
	DSACKOldSent, DSACKOfoSent, DSACKRecv, DSACKOfoRecv atomic.Uint64
	SACKDiscard, SpuriousRTOs                           atomic.Uint64
	HystartTrainDetect, HystartDelayDetect              atomic.Uint64
	MTUPFail, MTUPSuccess                               atomic.Uint64
	// TcpExt: Fast Open.
	FastOpenActive, FastOpenActiveFail, FastOpenPassive atomic.Uint64
	FastOpenPassiveFail, FastOpenListenOverflow         atomic.Uint64
	FastOpenCookieReqd                                  atomic.Uint64
}

// Limiter bounds the challenge ACKs of a stack (RFC 5961 section 7). The zero
// value is ready; it is safe for concurrent use.
type Limiter struct {
	mu     sync.Mutex
	second int64 // guarded by mu: when the count began
	left   int   // guarded by mu
}

// allow reports whether another may be sent, of limit a second.
func (l *Limiter) allow(now int64, limit int) bool {
	if l == nil || limit >= 1<<31-1 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now / 1e9; s != l.second || l.second == 0 {
		// Half of it is certain, the rest depends on the time, so that nobody
		// outside can count it down (RFC 5961 as Linux amends it).
		l.second = s
		l.left = limit/2 + int(uint64(now)*2654435761>>7%uint64(limit/2+1))
	}
	if l.left <= 0 {
		return false
	}
	l.left--
	return true
}
