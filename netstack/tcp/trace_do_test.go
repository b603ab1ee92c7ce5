package tcp

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// do runs a line that is no segment: what the user does, or what must hold.
func (x *trace) do(f []string) {
	x.t.Helper()
	n := int64(0)
	var d time.Duration
	arg := ""
	if len(f) > 1 {
		arg = f[1]
		n, _ = strconv.ParseInt(arg, 0, 64)
		d, _ = time.ParseDuration(arg)
	}
	switch f[0] {
	case "connect":
		x.c = Connect(x.cfg, x.now)
		x.c.Start(x.now)
	case "connectwith": // Fast Open with n bytes
		x.c = Connect(x.cfg, x.now)
		x.c.Write(x.now, patternViews(x.cfg.Pool, 0, n), false, false)
		x.written += n
		x.c.Start(x.now)
	case "write":
		more, oob := false, false
		for _, w := range f[2:] {
			more, oob = more || w == "more", oob || w == "oob"
		}
		x.c.Write(x.now, patternViews(x.cfg.Pool, x.written, n), more, oob)
		x.written += n
	case "read":
		x.readBytes(n)
	case "close":
		x.c.Close(x.now)
	case "shut":
		x.c.CloseWrite(x.now)
	case "shutread":
		x.c.CloseRead()
	case "abort":
		x.c.Abort(x.now, unix.ECONNABORTED)
	case "icmp":
		seq, _ := strconv.ParseInt(f[2], 0, 64)
		x.c.ICMP(x.now, errno(arg), traceISS+uint32(seq))
	case "path":
		seq, _ := strconv.ParseInt(f[2], 0, 64)
		x.c.Path(x.now, int(n), x.cfg.MaxGSO, true, traceISS+uint32(seq))
	case "set":
		x.set(f[1:])
	case "quickack":
		x.c.QuickAck(x.now, arg == "on", false)
	case "rcvbuf":
		x.c.SetBuffers(x.now, 0, int(n))
	case "peerwin":
		x.peerWin = uint16(n)
	default:
		x.check(f, n, d)
	}
}

func (x *trace) set(f []string) {
	o := x.c.Options()
	on := len(f) < 2 || f[1] != "off"
	d := time.Duration(0)
	if len(f) > 1 {
		d, _ = time.ParseDuration(f[1])
	}
	switch f[0] {
	case "nodelay":
		o.NoDelay = on
	case "cork":
		o.Cork = on
	case "keepalive": // idle, interval, probes
		o.KeepAlive = true
		o.KeepIdle = d
		o.KeepInterval, _ = time.ParseDuration(f[2])
		o.KeepProbes, _ = strconv.Atoi(f[3])
	case "usertimeout":
		o.UserTimeout = d
	case "linger2":
		o.Linger2 = d
	case "pacing":
		o.MaxPacing, _ = strconv.ParseInt(f[1], 0, 64)
	case "thin":
		o.ThinLinear = true
	case "oobinline":
		o.OOBInline = on
	default:
		x.fatalf("set %q", f[0])
	}
	x.c.SetOptions(x.now, o)
}

// check compares what must hold.
func (x *trace) check(f []string, n int64, d time.Duration) {
	x.t.Helper()
	c := x.c
	i := c.Info(x.now)
	is := func(got, want any) {
		x.t.Helper()
		if got != want {
			x.fatalf("it is %v", got)
		}
	}
	switch f[0] {
	case "state":
		is(c.State().String(), f[1])
	case "err":
		is(c.Err(), errno(f[1]))
	case "softerr":
		is(c.SoftErr(), errno(f[1]))
	case "cwnd":
		is(int64(i.Cwnd), n)
	case "ssthresh":
		is(int64(i.SSThresh), n)
	case "ca":
		is([]string{"open", "disorder", "cwr", "recovery", "loss"}[i.CAState], f[1])
	case "readable":
		is(int64(c.Readable()), n)
	case "eof":
		is(c.AtEnd(), f[1] == "yes")
	case "sndmss":
		is(int64(i.SndMSS), n)
	case "rto":
		is(i.RTO, d)
	case "rtobetween":
		hi, _ := time.ParseDuration(f[2])
		if i.RTO < d || i.RTO > hi {
			x.fatalf("it is %v", i.RTO)
		}
	case "srtt":
		is(i.RTT.Round(time.Millisecond), d)
	case "inflight":
		is(c.inflight(), n)
	case "unsent":
		is(int64(c.NotSent()), n)
	case "queued":
		is(int64(c.Queued()), n)
	case "idle": // no timer runs
		is(c.Deadline(), int64(0))
	case "timer":
		is(strconv.Itoa(int(i.Timer)), f[1])
	case "oob":
		b, err := c.Urgent(len(f) > 2)
		if f[1] == "EINVAL" || f[1] == "EAGAIN" {
			is(err, error(errno(f[1])))
		} else if want := pattern(n); err != nil || b != want {
			x.fatalf("%d %v, want %d", b, err, want)
		}
	case "mark":
		is(c.AtMark(), f[1] == "yes")
	case "retrans":
		is(int64(i.TotalRetrans), n)
	case "ooo":
		is(int64(len(c.ooo.ranges)), n)
	case "reordering":
		is(int64(i.Reordering), n)
	case "pmtu":
		is(int64(i.PMTU), n)
	case "backoff":
		is(int64(i.Backoff), n)
	case "event":
		names := map[string]Events{"connected": EventConnected, "readable": EventReadable, "acked": EventAcked,
			"peerclosed": EventPeerClosed, "urgent": EventUrgent, "closed": EventClosed, "timewait": EventTimeWait,
			"suspect": EventSuspectPath, "soft": EventSoftError, "writeclosed": EventWriteClosed}
		for _, w := range f[1:] {
			name, no := strings.CutPrefix(w, "!")
			if e, ok := names[name]; !ok || x.events&e != 0 == no {
				x.fatalf("event %s: have %b", w, x.events)
			}
		}
		x.events = 0
	case "taken": // Fast Open's data arrived
		_, _, taken := c.FastOpened()
		is(taken, f[1] == "yes")
	case "window": // what the peer may send still
		is(c.window(), n)
	case "counter":
		x.counter(f[1], f[2])
	default:
		x.fatalf("%q is not known", f[0])
	}
}

// counter compares a counter of the engine.
func (x *trace) counter(name, want string) {
	k := x.cfg.Counters
	v, ok := map[string]uint64{
		"ChallengeACK": k.ChallengeACK.Load(), "PAWSEstab": k.PAWSEstab.Load(), "SYNChallenge": k.SYNChallenge.Load(),
		"LossProbes": k.LossProbes.Load(), "LossProbeRecovery": k.LossProbeRecovery.Load(), "SpuriousRTOs": k.SpuriousRTOs.Load(),
		"DSACKUndo": k.DSACKUndo.Load(), "FullUndo": k.FullUndo.Load(), "SACKReneging": k.SACKReneging.Load(),
		"LossUndo": k.LossUndo.Load(), "OFODrop": k.OFODrop.Load(), "ACKSkipped": k.ACKSkipped.Load(),
		"DelayedACKs": k.DelayedACKs.Load(), "WinProbe": k.WinProbe.Load(), "KeepAlive": k.KeepAlive.Load(),
		"SackRecovery": k.SackRecovery.Load(), "RenoRecovery": k.RenoRecovery.Load(), "Timeouts": k.Timeouts.Load(),
		"AbortOnData": k.AbortOnData.Load(), "AbortOnClose": k.AbortOnClose.Load(), "SACKDiscard": k.SACKDiscard.Load(),
		"ActiveOpens": k.ActiveOpens.Load(), "PassiveOpens": k.PassiveOpens.Load(), "AttemptFails": k.AttemptFails.Load(),
		"EstabResets": k.EstabResets.Load(), "RetransSegs": k.RetransSegs.Load(), "LostRetransmit": k.LostRetransmit.Load(),
		"MTUPSuccess": k.MTUPSuccess.Load(), "MTUPFail": k.MTUPFail.Load(), "PartialUndo": k.PartialUndo.Load(),
		"TSReorder": k.TSReorder.Load(), "SACKReorder": k.SACKReorder.Load(),
	}[name]
	if !ok {
		x.fatalf("counter %q is not in the list", name)
	}
	if got := strconv.FormatUint(v, 10); got != want {
		x.fatalf("it is %s", got)
	}
}

// readBytes reads n bytes as a socket does, and compares them.
func (x *trace) readBytes(n int64) {
	x.t.Helper()
	var off, got int64
	for got < n {
		vs, next := x.c.Read(nil, off, n-got)
		if len(vs) == 0 {
			break
		}
		at := x.c.copied() - x.c.irs - 1 + next - size(vs)
		for _, v := range vs {
			for i, b := range v.Bytes() {
				if b != pattern(at+int64(i)) {
					x.fatalf("byte %d is wrong", at+int64(i))
				}
			}
			at += int64(v.Len())
			got += int64(v.Len())
		}
		release(vs)
		off = next
	}
	if got != n {
		x.fatalf("%d bytes were read", got)
	}
	x.c.Consume(x.now, off)
}
