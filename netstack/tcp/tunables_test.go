package tcp

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// tunableCase is a trace that runs as it is written with a tunable set, and not
// without: so the tunable has an effect. What is about sockets rather than a
// connection netstack/stack tests.
type tunableCase struct {
	file   string // of /proc/sys/net/ipv4
	set    func(t *Tunables)
	begin  func(*trace)
	script string
	// verify says what else must hold at the end.
	verify func(x *trace) error
}

func TestTunables(t *testing.T) {
	for _, k := range tunableCases() {
		t.Run(k.file, func(t *testing.T) {
			begin := func(x *trace) {
				if k.begin != nil {
					k.begin(x)
				}
			}
			play(t, func(x *trace) { k.set(x.tun); begin(x) }, k.verify, k.script)
			if !attempted(begin, k.verify, k.script) {
				t.Error("the same happens without it")
			}
		})
	}
}

// play runs a script and what is verified after it.
func play(t testing.TB, begin func(*trace), verify func(*trace) error, script string) {
	t.Helper()
	script += "\n"
	var last *trace
	runOn(t, func(x *trace) { last = x; begin(x) }, script)
	if verify != nil {
		if err := verify(last); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// attempt is a test that only says whether it failed.
type attempt struct {
	testing.TB
	failed bool
}

func (a *attempt) Helper()               {}
func (a *attempt) Failed() bool          { return a.failed }
func (a *attempt) Errorf(string, ...any) { a.failed = true; panic(a) }
func (a *attempt) Fatalf(string, ...any) { a.failed = true; panic(a) }

// attempted reports whether a script fails.
func attempted(begin func(*trace), verify func(*trace) error, script string) (failed bool) {
	a := &attempt{}
	defer func() {
		if r := recover(); r != nil && r != any(a) {
			panic(r)
		}
		failed = a.failed
	}()
	play(a, begin, verify, script)
	return false
}

// near reports an error unless got is within a hundredth of want.
func near(what string, got, want int64) error {
	if d := got - want; d < -want/100 || d > want/100 {
		return fmt.Errorf("%s is %d, want %d", what, got, want)
	}
	return nil
}

func tunableCases() []tunableCase {
	return append(timeCases(), append(optionCases(), controlCases()...)...)
}

// timeCases are about when something is sent again, or given up.
func timeCases() []tunableCase {
	return []tunableCase{
		{"tcp_syn_retries", func(t *Tunables) { t.SynRetries = 1 }, synSent, `
			: linear=0
			+1s
			> S 0
			+10s
			>*
			state CLOSE
			err ETIMEDOUT
		`, nil},
		{"tcp_syn_linear_timeouts", func(t *Tunables) { t.SynLinearTimeouts = 0 }, synSent, `
			+1s
			> S 0
			+1900ms
			state SYN_SENT
			+200ms
			> S 0
		`, nil},
		{"tcp_synack_retries", func(t *Tunables) { t.SynAckRetries = 1 }, synReceived, `
			+1s
			>*
			+2s
			>*
			state CLOSE
		`, nil},
		{"tcp_retries1", func(t *Tunables) { t.Retries1 = 1 }, established, `
			: tlp=0
			write 100
			>*
			+210ms
			>*
			+420ms
			>*
			event suspect
		`, nil},
		{"tcp_retries2", func(t *Tunables) { t.Retries2 = 2 }, established, `
			: tlp=0
			write 100
			>*
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			+2s
			>*
			state CLOSE
		`, nil},
		{"tcp_orphan_retries", func(t *Tunables) { t.OrphanRetries = 1 }, established, `
			: tlp=0
			write 100
			>*
			close
			>*
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			state CLOSE
		`, nil},
		{"tcp_rto_min_us", func(t *Tunables) { t.RTOMin = 50 * time.Millisecond }, established, "rto 60ms", nil},
		{"tcp_rto_max_ms", func(t *Tunables) { t.RTOMax = time.Second }, established, `
			: tlp=0
			write 100
			>*
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			+1s
			> P. 1:101
		`, nil},
		{"tcp_fin_timeout", func(t *Tunables) { t.FinTimeout = time.Second }, finWait2, `
			close
			+1100ms
			>*
			state CLOSE
		`, nil},
		{"tcp_keepalive_time", func(t *Tunables) { t.KeepIdle = 10 * time.Second }, established, `
			set keepalive 0s 0s 0
			+10s
			> . 0
		`, nil},
		{"tcp_keepalive_intvl", func(t *Tunables) { t.KeepInterval = 3 * time.Second }, established, `
			set keepalive 10s 0s 0
			+10s
			> . 0
			+3s
			> . 0
		`, nil},
		{"tcp_keepalive_probes", func(t *Tunables) { t.KeepProbes = 1 }, established, `
			set keepalive 10s 3s 0
			+10s
			> . 0
			+3s
			>*
			state CLOSE
			err ETIMEDOUT
		`, nil},
		{"tcp_thin_linear_timeouts", func(t *Tunables) { t.ThinLinearTimeouts = true }, established, `
			: tlp=0
			write 100
			>*
			+210ms
			> P. 1:101
			+210ms
			> P. 1:101
			+210ms
			> P. 1:101
		`, nil},
		{"tcp_early_retrans", func(t *Tunables) { t.EarlyRetrans = 0 }, established, `
			write 2000
			>*
			+100ms
			counter LossProbes 0
		`, nil},
		{"tcp_invalid_ratelimit", func(t *Tunables) { t.InvalidRateLimit = 0 }, established, `
			< . 200001 ack 1
			> . 1 ack 1
			< . 200001 ack 1
			> . 1 ack 1
		`, nil},
		{"tcp_pingpong_thresh", func(t *Tunables) { t.PingPongThresh = 3 }, established, `
			< . 1:101 ack 1
			> . 1 ack 101
			write 100
			> P. 1:101 ack 101
			< . 101:201 ack 101
			> . 101 ack 201
		`, nil},
		{"tcp_min_rtt_wlen", func(t *Tunables) { t.MinRTTWindow = time.Second }, established, `
			+2s
			write 100
			>*
			+50ms
			< . 1 ack 101
			+2s
			write 100
			>*
			+50ms
			< . 1 ack 201
		`, func(x *trace) error {
			if m := x.c.Info(x.now).MinRTT; m < 45*time.Millisecond {
				return fmt.Errorf("it is %v", m)
			}
			return nil
		}},
	}
}

// optionCases are about what the ends agree on, and windows.
func optionCases() []tunableCase {
	return []tunableCase{
		{"tcp_window_scaling", func(t *Tunables) { t.WindowScaling = false }, nil, `
			: notsack timestamps=0
			connect
			> S 0 <mss 1000>
			< S. 0 ack 1 <mss 1000,sackOK,ws 7>
			> . 1 ack 1 win 65000
		`, func(x *trace) error {
			if x.c.Info(x.now).HasWScale {
				return fmt.Errorf("windows are scaled")
			}
			return nil
		}},
		{"tcp_timestamps", func(t *Tunables) { t.Timestamps = 0 }, nil, `
			: notsack noscale
			connect
			> S 0
			< S. 0 ack 1 <mss 1000,ts 1:0>
			> . 1 ack 1 <none>
			write 100
			> P. 1:101 <none>
		`, nil},
		{"tcp_sack", func(t *Tunables) { t.SACK = false }, nil, `
			: noscale timestamps=0
			connect
			> S 0
			< S. 0 ack 1 <mss 1000,sackOK>
			> . 1 ack 1
			< . 1001:2001 ack 1
			> . 1 ack 1 <none>
		`, nil},
		{"tcp_dsack", func(t *Tunables) { t.DSACK = false }, established, `
			< . 1:1001 ack 1
			>*
			< . 1:1001 ack 1
			> . 1 ack 1001 <none>
		`, nil},
		{"tcp_ecn", func(t *Tunables) { t.ECN = 1 }, nil, `
			connect
			> SEW 0
		`, nil},
		{"tcp_ecn_fallback", func(t *Tunables) { t.ECNFallback = false }, nil, `
			: ecn=1
			connect
			> SEW 0
			+1s
			> SEW 0
		`, nil},
		{"tcp_adv_win_scale", func(t *Tunables) { t.AdvWinScale = -2 }, nil, `
			connect
			> S 0 win 32000
		`, nil},
		{"tcp_rmem", func(t *Tunables) { t.RMem = [3]int{4096, 20000, 20000} }, nil, `
			: rcvbuf=0
			connect
			> S 0 win 10000 <ws 0>
		`, nil},
		{"tcp_wmem", func(t *Tunables) { t.WMem = [3]int{4096, 50000, 50000} }, nil, `
			: sndbuf=0
			connect
			>*
		`, func(x *trace) error {
			snd, _ := x.c.Buffers()
			return near("the buffer", int64(snd), 50000)
		}},
		{"tcp_moderate_rcvbuf", func(t *Tunables) { t.ModerateRcvBuf = true }, established, `
			< . 1:10001 ack 1
			>*
			read 10000
			>*
			+20ms
			< . 10001:30001 ack 1
			>*
			read 20000
			>*
			+20ms
			< . 30001:70001 ack 1
			>*
			read 40000
			>*
			+20ms
			< . 70001:120001 ack 1
			>*
			read 50000
			>*
			+20ms
			< . 120001:180001 ack 1
			>*
			read 60000
			>*
		`, func(x *trace) error {
			if _, rcv := x.c.Buffers(); rcv <= 131070 {
				return fmt.Errorf("the buffer is %d still", rcv)
			}
			return nil
		}},
		{"tcp_workaround_signed_windows", func(t *Tunables) { t.SignedWindows = true }, nil, `
			connect
			> S 0 win 32000
		`, nil},
		{"tcp_min_snd_mss", func(t *Tunables) { t.MinSndMSS = 100 }, nil, `
			: timestamps=0
			connect
			>*
			< S. 0 ack 1 <mss 10>
			>*
			sndmss 100
		`, nil},
		{"tcp_stdurg", func(t *Tunables) { t.StdUrg = true }, established, `
			write 3 oob
			> P.U 1:4 urg 2
		`, nil},
		{"tcp_rfc1337", func(t *Tunables) { t.RFC1337 = true }, timeWaiting, "", func(x *trace) error {
			x.step("< R 2")
			if want := fmt.Sprintf("(verdict %d)", TWDrop); !strings.HasSuffix(x.line, want) {
				return fmt.Errorf("%s", x.line)
			}
			return nil
		}},
		{"tcp_challenge_ack_limit", func(t *Tunables) { t.ChallengeACKLimit = 0 }, func(x *trace) {
			x.cfg.Limit = &Limiter{}
			established(x)
		}, `
			< R 100
			counter ChallengeACK 0
		`, nil},
	}
}

// controlCases are about losses and how fast data leave.
func controlCases() []tunableCase {
	return []tunableCase{
		{"tcp_frto", func(t *Tunables) { t.FRTO = 0 }, established, `
			: tlp=0
			write 4000
			>*
			+210ms
			> . 1:1001
			write 2000
			< . 1 ack 1001
			> . 1001:2001
			>*
		`, nil},
		{"tcp_recovery", func(t *Tunables) { t.Recovery = 5 }, established, `
			: tlp=0
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:2001>
			< . 1 ack 1 <sack 1001:3001>
			< . 1 ack 1 <sack 1001:4001>
			retrans 0
			+3ms
			> . 1:1001
		`, nil},
		{"tcp_reordering", func(t *Tunables) { t.Reordering = 10 }, established, "reordering 10", nil},
		{"tcp_max_reordering", func(t *Tunables) { t.MaxReordering = 5 }, established, `
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 9001:10001>
			< . 1 ack 10001
			reordering 5
		`, nil},
		{"tcp_slow_start_after_idle", func(t *Tunables) { t.SlowStartAfterIdle = false }, established, `
			write 40000
			>*
			< . 1 ack 10001
			>*
			< . 1 ack 30001
			>*
			< . 1 ack 40001
			+10s
			write 40000
			>*
			cwnd 40
		`, nil},
		{"tcp_mtu_probing", func(t *Tunables) { t.MTUProbing = 2 }, established, `
			: mtu=1500 mss=1460 basemss=500
			pmtu 540
		`, nil},
		{"tcp_base_mss", func(t *Tunables) { t.BaseMSS = 700 }, established, `
			: mtuprobing=2 mtu=1500 mss=1460
			pmtu 740
		`, nil},
		{"tcp_mtu_probe_floor", func(t *Tunables) { t.MTUProbeFloor = 400 }, established, `
			: mtuprobing=1 retries1=1 tlp=0 mtu=1500 mss=1460 basemss=1000 frto=0
			write 1460
			>*
			+210ms
			>*
			+420ms
			>*
			+840ms
			>*
			+1680ms
			> . 1:401
		`, nil},
		{"tcp_probe_threshold", func(t *Tunables) { t.ProbeThreshold = 2000 }, established, `
			: mtuprobing=2 mtu=1500 mss=1460 basemss=500
			write 20000
			>*
			< . 1 ack 5001
			>*
			< . 1 ack 10001
			>*
			counter MTUPSuccess 0
		`, nil},
		{"tcp_probe_interval", func(t *Tunables) { t.ProbeInterval = time.Second }, established, `
			: mtuprobing=2 mtu=1500 mss=1460 basemss=1455 noidle
			write 40000
			>*
			< . 1 ack 14551
			>*
			< . 1 ack 40001
			+2s
			write 40000
			>*
		`, func(x *trace) error {
			if last := x.c.probe.last; last != 0 && last < x.now-1e9 {
				return fmt.Errorf("no search has begun since %d", last)
			}
			return nil
		}},
		{"tcp_pacing_ss_ratio", func(t *Tunables) { t.PacingSSRatio = 400 }, established, `
			write 1000
			>*
			+10ms
			< . 1 ack 1001
		`, func(x *trace) error {
			i := x.c.Info(x.now)
			return near("the rate", int64(i.PacingRate), 4*int64(i.Cwnd)*int64(i.SndMSS)*int64(time.Second)/int64(i.RTT))
		}},
		{"tcp_pacing_ca_ratio", func(t *Tunables) { t.PacingCARatio = 300 }, established, `
			: tlp=0
			write 10000
			>*
			+10ms
			< . 1 ack 1 <sack 1001:4001>
			>*
			+10ms
			< . 1 ack 10001
			>*
			write 1000
			>*
			+10ms
			< . 1 ack 11001
			>*
			write 1000
			>*
			+10ms
			< . 1 ack 12001
		`, func(x *trace) error {
			i := x.c.Info(x.now)
			return near("the rate", int64(i.PacingRate), 3*int64(i.Cwnd)*int64(i.SndMSS)*int64(time.Second)/int64(i.RTT))
		}},
		{"tcp_min_tso_segs", func(t *Tunables) { t.MinTSOSegs = 8 }, established, `
			: gso=60000
			set pacing 100000
			write 8000
			> P. 1:8001
		`, nil},
	}
}
