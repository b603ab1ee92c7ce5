package tcp

import "time"

// Tunables are net.ipv4.tcp_*, by their names. A Tunables that a connection has
// does not change: who sets one makes another.
type Tunables struct {
	SynRetries, SynAckRetries    int
	SynLinearTimeouts            int // retransmissions of a SYN before the time-out doubles
	Retries1, Retries2           int
	OrphanRetries                int // 0 stands for 8
	RTOMin, RTOMax               time.Duration
	FinTimeout                   time.Duration
	KeepIdle, KeepInterval       time.Duration
	KeepProbes                   int
	WindowScaling                bool
	Timestamps                   int // 0 off, 1 with a random offset, 2 without
	SACK, DSACK                  bool
	ECN                          int // 0 off, 1 asked for, 2 when asked
	ECNFallback                  bool
	FRTO                         int
	Recovery                     int // 1 RACK, 2 without the adapted reordering window, 4 without dupthresh
	EarlyRetrans                 int // 3 and 4: tail loss probes
	Reordering, MaxReordering    int
	SlowStartAfterIdle           bool
	ModerateRcvBuf               bool
	RMem, WMem                   [3]int
	AdvWinScale                  int
	MTUProbing                   int // 0 off, 1 after a black hole, 2 always
	BaseMSS, MTUProbeFloor       int
	ProbeInterval                time.Duration // until a search for a larger MTU begins anew
	ProbeThreshold               int           // and how many bytes end it
	MinSndMSS                    int
	PacingSSRatio, PacingCARatio int // percent
	StdUrg, RFC1337              bool
	ThinLinearTimeouts           bool
	ChallengeACKLimit            int // a second, of the whole stack
	InvalidRateLimit             time.Duration
	TWReuse                      int // 0 off, 1 on, 2 on loopback
	TWReuseDelay                 time.Duration
	FastOpen                     int // 1 client, 2 server, 4 without a cookie, 0x200 server without one, 0x400 all listeners
	NotSentLowat                 int
	MinTSOSegs                   int
	SynCookies                   int
	MaxSynBacklog                int
	MaxTimeWaits, MaxOrphans     int
	AbortOnOverflow              bool
	Congestion                   string
	MinRTTWindow                 time.Duration // of which the least round trip is kept
	SignedWindows                bool          // the first window is less than 2^15, for peers that count with signs
	PingPongThresh               int           // replies after which acknowledgments wait for one
}

// Defaults returns Linux's values.
func Defaults() *Tunables {
	return &Tunables{
		SynRetries: 6, SynAckRetries: 5, SynLinearTimeouts: 4, Retries1: 3, Retries2: 15,
		RTOMin: 200 * time.Millisecond, RTOMax: 120 * time.Second, FinTimeout: 60 * time.Second,
		KeepIdle: 7200 * time.Second, KeepInterval: 75 * time.Second, KeepProbes: 9,
		WindowScaling: true, Timestamps: 1, SACK: true, DSACK: true, ECN: 2, ECNFallback: true,
		FRTO: 2, Recovery: 1, EarlyRetrans: 3, Reordering: 3, MaxReordering: 300,
		SlowStartAfterIdle: true, ModerateRcvBuf: true, AdvWinScale: 1,
		RMem: [3]int{4096, 131072, 6 << 20}, WMem: [3]int{4096, 16384, 4 << 20},
		BaseMSS: 1024, MTUProbeFloor: 48, ProbeInterval: 600 * time.Second, ProbeThreshold: 8, MinSndMSS: 48, PacingSSRatio: 200, PacingCARatio: 120,
		ChallengeACKLimit: 1<<31 - 1, InvalidRateLimit: 500 * time.Millisecond,
		TWReuse: 2, TWReuseDelay: time.Second, FastOpen: 1, NotSentLowat: 1<<32 - 1, MinTSOSegs: 2,
		SynCookies: 1, MaxSynBacklog: 1024, MaxTimeWaits: 65536, MaxOrphans: 16384,
		Congestion: "cubic", MinRTTWindow: 300 * time.Second, PingPongThresh: 1,
	}
}

// The times that are not tunable, as Linux has them.
const (
	initialRTO     = time.Second     // RFC 6298 section 2.1
	fallbackRTO    = 3 * time.Second // after a lost SYN without a sample: section 5.7
	delackMin      = 40 * time.Millisecond
	delackMax      = 200 * time.Millisecond
	finDelay       = 4 * time.Millisecond // of a FIN before which nothing came: Linux waits for the next tick of its clock
	timeWait       = 60 * time.Second     // 2 MSL
	pawsIdle       = 24 * 24 * time.Hour  // RFC 7323 section 5.5
	maxQuickAcks   = 16
	maxKeepIdle    = 32767 * time.Second
	maxUserTimeout = 1<<31 - 1
)

// DefaultMSS is what a peer takes that says nothing (RFC 9293 section 3.7.1):
// for IPv4 and IPv6.
const (
	DefaultMSS4 = 536
	DefaultMSS6 = 1220
)
