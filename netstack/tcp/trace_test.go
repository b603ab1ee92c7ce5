package tcp

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// A trace is a script of events on a virtual clock and of the segments that must
// follow them, a line each:
//
//	: word …           before anything: how both ends are set up (see setup)
//	< FLAGS seq[:end] [ack N] [win N] [urg N] [ce] [<options>]     a segment comes
//	> FLAGS seq[:end] [ack N] [win N] [urg N] [ect] [<options>]    one must leave
//	>*                 whatever leaves here is right
//	+100ms             time passes, timers run
//	write N [more] [oob], read N, close, shut, abort, connect
//	set WORD …, state S, err E, cwnd N, … (see do)
//
// Sequence numbers count from each side's SYN, which is 0. Flags are tcpdump's.
// What is not given for a segment that must leave is not compared, but flags
// (PSH only if given), sequence number and length are. Before each event all that
// left must have been asked for.
type trace struct {
	t    testing.TB
	line string
	now  int64
	cfg  Config
	tun  *Tunables
	c    *Conn
	tw   *TimeWait
	got  []Out

	peerMSS              uint16
	peerTS, noSACK, noWS bool
	peerWS               uint8
	peerWin              uint16
	peerTSVal            uint32
	lastTS               uint32 // the TSval that left last
	irs                  uint32
	written              int64
	events               Events
}

const (
	traceISS = 1000
	traceIRS = 0xfffff000 // so that the peer's numbers wrap early
)

func newTrace(t testing.TB, setup string) *trace {
	tun := Defaults()
	tun.Congestion = "reno"
	x := &trace{t: t, now: 1e9, tun: tun, peerMSS: 1000, peerWin: 65535, irs: traceIRS, peerTSVal: 5000}
	x.cfg = Config{Pool: &buffer.Pool{}, Tun: tun, Counters: &Counters{}, SrcPort: 1, DstPort: 2, ISS: traceISS,
		MTU: 1040, Overhead: 20, RcvBuf: 131070, SndBuf: 1 << 20, SndLocked: true}
	tun.ModerateRcvBuf = false
	for _, w := range strings.Fields(setup) {
		x.setup(w)
	}
	if x.peerTS {
		x.cfg.TSOffset = 7
	}
	return x
}

// setup takes one word of the first line.
func (x *trace) setup(w string) {
	k, v, _ := strings.Cut(w, "=")
	n, _ := strconv.Atoi(v)
	d, _ := time.ParseDuration(v)
	switch k {
	case "ts":
		x.peerTS = true
	case "nosack":
		x.noSACK = true
	case "nows":
		x.noWS = true
	case "ws":
		x.peerWS = uint8(n)
	case "win":
		x.peerWin = uint16(n)
	case "mss":
		x.peerMSS = uint16(n)
	case "mtu":
		x.cfg.MTU = n
	case "gso":
		x.cfg.MaxGSO = n
	case "cc":
		x.tun.Congestion = v
	case "rcvbuf":
		x.cfg.RcvBuf = n
	case "tune":
		x.tun.ModerateRcvBuf = true
	case "sndbuf":
		x.cfg.SndBuf, x.cfg.SndLocked = n, true
	case "nodelay":
		x.cfg.Opt.NoDelay = true
	case "ecn":
		x.tun.ECN = n
	case "frto":
		x.tun.FRTO = n
	case "tlp":
		x.tun.EarlyRetrans = n
	case "retries2":
		x.tun.Retries2 = n
	case "retries1":
		x.tun.Retries1 = n
	case "orphans":
		x.tun.OrphanRetries = n
	case "synretries":
		x.tun.SynRetries = n
	case "linear":
		x.tun.SynLinearTimeouts = n
	case "timestamps":
		x.tun.Timestamps = n
	case "notsack":
		x.tun.SACK = false
	case "nodsack":
		x.tun.DSACK = false
	case "noscale":
		x.tun.WindowScaling = false
	case "stdurg":
		x.tun.StdUrg = true
	case "rfc1337":
		x.tun.RFC1337 = true
	case "usermss":
		x.cfg.UserMSS = n
	case "clamp":
		x.cfg.Clamp = n
	case "usertimeout":
		x.cfg.Opt.UserTimeout = d
	case "oobinline":
		x.cfg.Opt.OOBInline = true
	case "v6":
		x.cfg.V6, x.cfg.Overhead, x.cfg.MTU = true, 40, 1060
	case "fo":
		x.cfg.FastOpen = true
	case "cookie":
		x.cfg.Cookie = []byte(v)
	case "mtuprobing":
		x.tun.MTUProbing = n
	case "basemss":
		x.tun.BaseMSS = n
	case "noidle":
		x.tun.SlowStartAfterIdle = false
	case "challenge":
		x.tun.ChallengeACKLimit = n
		x.cfg.Limit = &Limiter{}
	case "tunerecovery":
		x.tun.Recovery = n
	case "linger2":
		x.cfg.Opt.Linger2 = d
	case "rtomax":
		x.tun.RTOMax = d
	default:
		x.t.Fatalf("setup %q is not known", w)
	}
}

// run runs a script. It may begin with a line of setup.
func run(t *testing.T, begin func(*trace), script string) {
	t.Helper()
	runOn(t, begin, script)
}

func runOn(t testing.TB, begin func(*trace), script string) {
	t.Helper()
	setup := ""
	lines := strings.Split(script, "\n")
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if s, ok := strings.CutPrefix(l, ":"); ok {
			setup, lines[i] = s, ""
			break
		} else if l != "" && l[0] != '#' {
			break
		}
	}
	x := newTrace(t, setup)
	if begin != nil {
		x.line = "the beginning"
		begin(x)
	}
	for _, l := range lines {
		if l, _, _ = strings.Cut(l, "#"); strings.TrimSpace(l) == "" {
			continue
		}
		x.line = strings.TrimSpace(l)
		x.step(x.line)
		if t.Failed() {
			return
		}
	}
	x.line = "the end"
	x.settle()
	if x.c != nil {
		x.c.Release()
	}
}

func (x *trace) fatalf(format string, a ...any) {
	x.t.Helper()
	x.t.Fatalf("%s: %s", x.line, fmt.Sprintf(format, a...))
}

// collect takes what the engine sent.
func (x *trace) collect() {
	if x.c == nil {
		return
	}
	for _, o := range x.c.Take() {
		if h := header.TCP(o.Packet.Head()); h.Valid(len(h)) {
			if opt, ok := header.ParseTCPOptions(h.Options()); ok && opt.HasTS {
				x.lastTS = opt.TSVal
			}
		}
		x.got = append(x.got, o)
	}
	x.events |= x.c.Events()
	if x.c.State() == TimeWaiting && x.tw == nil {
		tw := x.c.TimeWait(x.now)
		x.tw = &tw
	}
}

// settle fails if something left that nobody asked for.
func (x *trace) settle() {
	x.t.Helper()
	x.collect()
	if len(x.got) > 0 {
		var s []string
		for _, o := range x.got {
			s = append(s, x.print(o))
		}
		x.fatalf("unexpected before it:\n\t%s", strings.Join(s, "\n\t"))
	}
}

// print shows a segment as a script has it.
func (x *trace) print(o Out) string {
	h := header.TCP(o.Packet.Head())
	n := o.Packet.Len() - h.DataOffset()
	seq := int64(int32(h.Seq() - traceISS))
	s := fmt.Sprintf("> %s %d", h.Flags(), seq)
	if n > 0 {
		s += fmt.Sprintf(":%d", seq+int64(n))
	}
	if h.Flags()&header.ACK != 0 {
		s += fmt.Sprintf(" ack %d", int64(int32(h.Ack()-x.irs)))
	}
	s += fmt.Sprintf(" win %d", h.Window())
	if h.Flags()&header.URG != 0 {
		s += fmt.Sprintf(" urg %d", h.Urgent())
	}
	if len(h.Options()) > 0 {
		opt, _ := header.ParseTCPOptions(h.Options())
		for _, k := range opt.SACK[:opt.NSACK] {
			s += fmt.Sprintf(" sack %d:%d", int32(k.Start-x.irs), int32(k.End-x.irs))
		}
		s += " " + h.String()
	}
	return s
}

// pattern is byte i of a stream.
func pattern(i int64) byte { return byte(i*7 ^ i>>8*3) }

func patternViews(pool *buffer.Pool, from, n int64) []buffer.View {
	b := make([]byte, n)
	for i := range b {
		b[i] = pattern(from + int64(i))
	}
	return pool.CopyIn(b)
}

func (x *trace) step(l string) {
	x.t.Helper()
	switch {
	case l == ">*":
		x.collect()
		for _, o := range x.got {
			o.Packet.Release()
		}
		x.got = nil
	case l[0] == '>':
		x.expect(strings.Fields(l[1:]))
	case l[0] == '<':
		x.settle()
		x.input(strings.Fields(l[1:]))
	case l[0] == '+':
		x.settle()
		d, err := time.ParseDuration(l[1:])
		if err != nil {
			x.fatalf("%v", err)
		}
		x.advance(int64(d))
	default:
		x.settle()
		x.do(strings.Fields(l))
	}
	x.collect()
}

// advance lets time pass, each timer at its moment.
func (x *trace) advance(d int64) {
	end := x.now + d
	for x.c != nil {
		at := x.c.Deadline()
		if at == 0 || at > end {
			break
		}
		x.now = max(x.now, at)
		x.c.Timer(x.now)
		x.collect()
		if next := x.c.Deadline(); next != 0 && next <= x.now {
			x.now++ // a timer that runs again must not run for ever
			if x.now > end {
				x.fatalf("a timer fires without end")
			}
		}
	}
	x.now = max(x.now, end)
}

// seg is what a line says of a segment.
type seg struct {
	flags    header.TCPFlags
	psh      bool
	seq, end int64
	ack, win int64
	urg      int64
	ce, ect  bool
	noect    bool
	opt      header.TCPOptions
	has      map[string]bool
	optWords []string
}

func (x *trace) parse(f []string) seg {
	s := seg{ack: -1, win: -1, urg: -1, has: map[string]bool{}}
	for _, r := range f[0] {
		i := strings.IndexRune("FSRP.UEW", r)
		if i < 0 {
			x.fatalf("flag %c", r)
		}
		s.flags |= 1 << i
	}
	s.psh = s.flags&header.PSH != 0
	f = f[1:]
	num := func(v string) int64 {
		n, err := strconv.ParseInt(v, 0, 64)
		if err != nil {
			x.fatalf("%v", err)
		}
		return n
	}
	if len(f) > 0 && (f[0][0] >= '0' && f[0][0] <= '9' || f[0][0] == '-') {
		a, b, ok := strings.Cut(f[0], ":")
		s.seq = num(a)
		s.end = s.seq
		if ok {
			s.end = num(b)
		}
		f = f[1:]
	}
	for len(f) > 0 {
		switch w := f[0]; {
		case w == "ack" || w == "win" || w == "urg":
			n := num(f[1])
			switch w {
			case "ack":
				s.ack = n
			case "win":
				s.win = n
			default:
				s.urg = n
			}
			f = f[2:]
		case w == "ce":
			s.ce = true
			f = f[1:]
		case w == "ect":
			s.ect = true
			f = f[1:]
		case w == "noect":
			s.noect = true
			f = f[1:]
		case w[0] == '<':
			s.optWords = strings.Split(strings.Trim(strings.Join(f, " "), "<>"), ",")
			f = nil
		default:
			x.fatalf("%q", w)
		}
	}
	return s
}

// options reads the words of options. base is what sequence numbers in them count from.
func (x *trace) options(s *seg, base uint32) {
	for _, w := range s.optWords {
		k := strings.Fields(w)
		n := int64(0)
		if len(k) > 1 {
			n, _ = strconv.ParseInt(k[1], 0, 64)
		}
		s.has[k[0]] = true
		switch k[0] {
		case "mss":
			s.opt.MSS, s.opt.HasMSS = uint16(n), true
		case "ws":
			s.opt.WScale, s.opt.HasWScale = uint8(n), true
		case "sackOK":
			s.opt.SACKPermitted = true
		case "ts": // TSval:TSecr; "last" is what left last
			s.opt.HasTS = true
			a, b, _ := strings.Cut(k[1], ":")
			v, _ := strconv.ParseInt(a, 0, 64)
			s.opt.TSVal = uint32(v)
			if b == "last" {
				s.opt.TSEcr = x.lastTS
			} else if b != "*" {
				v, _ = strconv.ParseInt(b, 0, 64)
				s.opt.TSEcr = uint32(v)
			}
		case "sack":
			for _, r := range k[1:] {
				a, b, _ := strings.Cut(r, ":")
				lo, _ := strconv.ParseInt(a, 0, 64)
				hi, _ := strconv.ParseInt(b, 0, 64)
				s.opt.SACK[s.opt.NSACK] = header.SACKBlock{Start: base + uint32(lo), End: base + uint32(hi)}
				s.opt.NSACK++
			}
		case "fo":
			s.opt.HasFastOpen = true
			if len(k) > 1 {
				s.opt.FastOpen = []byte(k[1])
			}
		case "none":
		default:
			x.fatalf("option %q", w)
		}
	}
}

// input gives the engine a segment.
func (x *trace) input(f []string) {
	s := x.parse(f)
	x.options(&s, traceISS)
	in := Segment{Seq: x.irs + uint32(s.seq), Flags: s.flags, Opt: s.opt, CE: s.ce, ECT: s.ect, Window: x.peerWin, Urgent: uint16(max(s.urg, 0))}
	if s.win >= 0 {
		in.Window = uint16(s.win)
	}
	if s.ack >= 0 {
		in.Ack = traceISS + uint32(s.ack)
	}
	if x.peerTS && !s.has["ts"] && !s.has["none"] {
		x.peerTSVal++
		in.Opt.HasTS, in.Opt.TSVal, in.Opt.TSEcr = true, x.peerTSVal, x.lastTS
	} else if s.has["ts"] {
		x.peerTSVal = max(x.peerTSVal, s.opt.TSVal)
	}
	if n := s.end - s.seq; n > 0 {
		in.Len = int(n)
		first := s.seq - 1
		if s.flags&header.SYN != 0 {
			first++
		}
		in.Data = patternViews(x.cfg.Pool, first, n)
	}
	switch {
	case x.c == nil:
		x.c = Accept(x.cfg, x.now, &in)
	case x.tw != nil:
		v, p := x.tw.Input(x.now, &in, x.cfg.Pool, x.tun)
		if p != nil {
			x.got = append(x.got, Out{Packet: p})
		}
		x.line += fmt.Sprintf(" (verdict %d)", v)
	default:
		x.c.Input(x.now, &in)
	}
}

// expect compares the next segment that left.
func (x *trace) expect(f []string) {
	x.t.Helper()
	want := x.parse(f)
	x.options(&want, x.irs)
	x.collect()
	if len(x.got) == 0 {
		x.fatalf("nothing left")
	}
	o := x.got[0]
	x.got = x.got[1:]
	defer o.Packet.Release()
	h := header.TCP(o.Packet.Head())
	if !h.Valid(o.Packet.Len()) {
		x.fatalf("a malformed header left: % x", []byte(h))
	}
	opt, ok := header.ParseTCPOptions(h.Options())
	n := int64(o.Packet.Len() - h.DataOffset())
	flags := h.Flags()
	if !want.psh {
		flags &^= header.PSH
	}
	seq := int64(int32(h.Seq() - traceISS))
	bad := !ok || flags != want.flags || seq != want.seq || n != want.end-want.seq ||
		want.ack >= 0 && h.Ack() != x.irs+uint32(want.ack) || want.win >= 0 && int64(h.Window()) != want.win ||
		want.urg >= 0 && int64(h.Urgent()) != want.urg || want.ect && !o.ECT || want.noect && o.ECT
	has := want.has
	w := &want.opt
	bad = bad || has["mss"] && opt.MSS != w.MSS || has["ws"] && (!opt.HasWScale || opt.WScale != w.WScale) ||
		has["sackOK"] && !opt.SACKPermitted || has["sack"] && (opt.NSACK != w.NSACK || opt.SACK != w.SACK) ||
		has["ts"] && (!opt.HasTS || w.TSVal != 0 && w.TSVal != opt.TSVal || w.TSEcr != 0 && w.TSEcr != opt.TSEcr) ||
		has["none"] && len(h.Options()) != 0 || has["fo"] && (!opt.HasFastOpen || string(opt.FastOpen) != string(w.FastOpen))
	if bad {
		x.fatalf("what left is\n\t%s", x.print(o))
	}
	b := make([]byte, n)
	o.Packet.CopyTo(b, h.DataOffset())
	first := seq - 1
	if flags&header.SYN != 0 {
		first++
	}
	for i := range b {
		if b[i] != pattern(first+int64(i)) {
			x.fatalf("byte %d of what left is wrong", i)
		}
	}
}

// begin constructors: they put a connection into a state.

func (x *trace) synOptions() string {
	o := []string{fmt.Sprintf("mss %d", x.peerMSS)}
	if !x.noSACK {
		o = append(o, "sackOK")
	}
	if x.peerTS {
		x.peerTSVal++
		o = append(o, fmt.Sprintf("ts %d:last", x.peerTSVal))
	}
	if !x.noWS {
		o = append(o, fmt.Sprintf("ws %d", x.peerWS))
	}
	return "<" + strings.Join(o, ",") + ">"
}

// synSent is an active open whose SYN left.
func synSent(x *trace) {
	x.c = Connect(x.cfg, x.now)
	x.c.Start(x.now)
	x.step(">*")
}

// synReceived is a passive open whose SYN-ACK left.
func synReceived(x *trace) {
	x.step("< S 0 " + x.synOptions())
	x.step(">*")
}

// established is a connection that was opened actively, 10 ms of round trip.
func established(x *trace) {
	synSent(x)
	x.step("+10ms")
	x.step("< S. 0 ack 1 " + x.synOptions())
	x.step(">*")
	x.events = 0
	x.step("state ESTABLISHED")
}

// accepted is one that was opened passively.
func accepted(x *trace) {
	synReceived(x)
	x.step("+10ms")
	x.step("< . 1 ack 1")
	x.events = 0
	x.step("state ESTABLISHED")
}

func finWait1(x *trace) {
	established(x)
	x.step("shut")
	x.step("> F. 1 ack 1")
	x.step("state FIN_WAIT1")
}

func finWait2(x *trace) {
	finWait1(x)
	x.step("< . 1 ack 2")
	x.step("state FIN_WAIT2")
}

func closeWait(x *trace) {
	established(x)
	x.step("< F. 1 ack 1")
	x.step("+4ms")
	x.step("> . 1 ack 2")
	x.step("state CLOSE_WAIT")
}

func lastAck(x *trace) {
	closeWait(x)
	x.step("shut")
	x.step("> F. 1 ack 2")
	x.step("state LAST_ACK")
}

func closing(x *trace) {
	finWait1(x)
	x.step("< F. 1 ack 1")
	x.step("> . 2 ack 2")
	x.step("state CLOSING")
}

func timeWaiting(x *trace) {
	finWait2(x)
	x.step("< F. 1 ack 2")
	x.step("> . 2 ack 2")
	x.step("state TIME_WAIT")
}

// errno is an error by its name; "none" is none.
func errno(name string) unix.Errno {
	for e := unix.Errno(1); e < 140; e++ {
		if unix.ErrnoName(e) == name {
			return e
		}
	}
	return 0
}
