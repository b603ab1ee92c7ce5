package tcp

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"

	"hull/netstack/buffer"
)

// pair is two engines joined by a link that loses, repeats and overtakes, on a
// virtual clock.
type pair struct {
	t     testing.TB
	rng   *rand.Rand
	now   int64
	pool  *buffer.Pool
	c     [2]*Conn
	sent  [2]int64 // bytes written
	read  [2]int64
	wires []wire
	order int64

	loss, dup, reorder float64
	mark               float64 // congestion marks
	delay              int64
	rate               int64 // bytes a second each way; 0: as fast as it goes
	free               [2]int64
	queue              int64 // of the bottleneck, in ns; more is lost
	packets            int
}

type wire struct {
	at, order int64
	to        int
	p         *buffer.Packet
	ce        bool
	ect       bool
}

func newPair(t testing.TB, seed uint64, tune func(i int, c *Config)) *pair {
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: 1e9, pool: &buffer.Pool{}, delay: 10e6}
	for i := range p.c {
		cfg := Config{Pool: p.pool, Tun: Defaults(), Counters: &Counters{}, ISS: p.rng.Uint32(), SrcPort: uint16(1 + i), DstPort: uint16(2 - i),
			MTU: 1500, Overhead: 20, TSOffset: p.rng.Uint32()}
		if tune != nil {
			tune(i, &cfg)
		}
		if i == 0 {
			p.c[0] = Connect(cfg, p.now)
			p.c[0].Start(p.now)
			continue
		}
		// The listener: it waits for the SYN.
		p.flush(0)
		for p.c[1] == nil {
			if len(p.wires) == 0 {
				p.now = p.c[0].Deadline()
				p.c[0].Timer(p.now)
				p.flush(0)
				continue
			}
			w := p.take()
			var s Segment
			if Parse(w.p, &s, nil) {
				p.c[1] = Accept(cfg, p.now, &s)
			}
			w.p.Release()
		}
		p.flush(1)
	}
	return p
}

func (p *pair) take() wire {
	w := p.wires[0]
	p.wires = p.wires[1:]
	p.now = max(p.now, w.at)
	return w
}

// flush puts what an engine sent onto the link.
func (p *pair) flush(from int) {
	for _, o := range p.c[from].Take() {
		p.packets++
		n := int64(o.Packet.Len() + 40)
		at := p.now
		if p.rate > 0 {
			p.free[from] = max(p.free[from], p.now)
			if p.queue > 0 && p.free[from]-p.now > p.queue {
				o.Packet.Release()
				continue
			}
			p.free[from] += n * 1e9 / p.rate
			at = p.free[from]
		}
		if p.rng.Float64() < p.loss {
			o.Packet.Release()
			continue
		}
		copies := 1
		if p.rng.Float64() < p.dup {
			copies = 2
		}
		for range copies {
			d := p.delay
			if p.rng.Float64() < p.reorder {
				d += p.rng.Int64N(p.delay*2 + 1)
			}
			p.order++
			w := wire{at: at + d, order: p.order, to: 1 - from, p: o.Packet.Clone(), ect: o.ECT}
			w.ce = o.ECT && p.rng.Float64() < p.mark
			i := sort.Search(len(p.wires), func(i int) bool {
				return p.wires[i].at > w.at
			})
			p.wires = append(p.wires, wire{})
			copy(p.wires[i+1:], p.wires[i:])
			p.wires[i] = w
		}
		o.Packet.Release()
	}
}

// step delivers a segment or runs a timer, whichever is first. It reports whether
// there was any.
func (p *pair) step() bool {
	at, who := int64(0), -1
	for i, c := range p.c {
		if d := c.Deadline(); d != 0 && (at == 0 || d < at) {
			at, who = d, i
		}
	}
	if len(p.wires) > 0 && (who < 0 || p.wires[0].at <= at) {
		w := p.take()
		var s Segment
		if Parse(w.p, &s, nil) {
			s.CE, s.ECT = w.ce, w.ect
			p.c[w.to].Input(p.now, &s)
		}
		w.p.Release()
		p.flush(w.to)
		p.invariants(w.to)
		return true
	}
	if who < 0 {
		return false
	}
	p.now = max(p.now, at)
	p.c[who].Timer(p.now)
	p.flush(who)
	p.invariants(who)
	return true
}

// invariants are what must hold after each call.
func (p *pair) invariants(i int) {
	if err := p.c[i].sane(); err != nil {
		p.t.Fatalf("engine %d at %d: %v", i, p.now, err)
	}
}

// sane checks what must hold of a connection at any time.
func (c *Conn) sane() error {
	b := &c.board
	var sacked, lost, retrans int64
	at := int64(-1)
	for i := range b.len() {
		r := b.at(i)
		n := r.end - r.start
		if n <= 0 || at >= 0 && r.start != at {
			return fmt.Errorf("record %d is [%d, %d) after %d", i, r.start, r.end, at)
		}
		at = r.end
		if r.flags&recSacked != 0 {
			sacked += n
		}
		if r.flags&recLost != 0 {
			lost += n
		}
		if r.flags&recRetrans != 0 {
			retrans += n
		}
	}
	switch {
	case sacked != b.sacked || lost != b.lost || retrans != b.retrans:
		return fmt.Errorf("sums %d %d %d, records say %d %d %d", b.sacked, b.lost, b.retrans, sacked, lost, retrans)
	case b.len() > 0 && (b.at(0).start > max(c.una, c.iss+1) || at != c.nxt):
		return fmt.Errorf("records from %d to %d, una %d, nxt %d", b.at(0).start, at, c.una, c.nxt)
	case c.una > c.nxt || c.nxt > c.limit() && c.state != Closed:
		return fmt.Errorf("una %d nxt %d end %d", c.una, c.nxt, c.end)
	case c.ctl.Cwnd <= 0:
		return fmt.Errorf("a window of %d", c.ctl.Cwnd)
	case c.state != Closed && c.ctl.SSThresh < c.ctl.MSS:
		return fmt.Errorf("a threshold of %d", c.ctl.SSThresh)
	}
	prev, views := c.rcvNxt, 0
	var bytes int64
	for i, r := range c.ooo.ranges {
		if r.start <= prev || r.end <= r.start || size(r.vs) != r.end-r.start {
			return fmt.Errorf("out-of-order range %d is [%d, %d) with %d bytes after %d", i, r.start, r.end, size(r.vs), prev)
		}
		prev = r.end
		bytes += r.end - r.start
		views += len(r.vs)
	}
	if bytes != c.ooo.bytes || views != c.ooo.views {
		return fmt.Errorf("out of order: %d bytes in %d views, counted %d in %d", bytes, views, c.ooo.bytes, c.ooo.views)
	}
	if n := len(c.ooo.ranges); n > 0 && c.ooo.ranges[n-1].end > c.rcvWup+c.rcvWnd {
		return fmt.Errorf("bytes beyond the window are kept")
	}
	if q := size(c.rcv.vs[c.rcv.first:]); q != c.rcv.n {
		return fmt.Errorf("%d bytes to read, %d counted", q, c.rcv.n)
	}
	if c.rcv.n > c.fromSpace(c.rcvBuf)+65536<<c.rcvScale {
		return fmt.Errorf("%d bytes in a buffer of %d", c.rcv.n, c.rcvBuf)
	}
	return nil
}

// pump writes up to total bytes on side i, and reads all that came on both.
func (p *pair) pump(i int, total int64) {
	c := p.c[i]
	if n := min(int64(c.Space()), total-p.sent[i], 65536); n > 0 && c.CanWrite() && (c.Space() >= 4096 || n == total-p.sent[i]) {
		c.Write(p.now, patternViews(p.pool, p.sent[i], n), false, false)
		p.sent[i] += n
		p.flush(i)
	}
	if p.sent[i] == total && c.state == Established {
		c.CloseWrite(p.now)
		p.flush(i)
	} else if p.sent[i] == total && c.state == CloseWait {
		c.CloseWrite(p.now)
		p.flush(i)
	}
}

func (p *pair) drain(i int) {
	c := p.c[i]
	vs, next := c.Read(nil, 0, 1<<20)
	for _, v := range vs {
		for _, b := range v.Bytes() {
			if b != pattern(p.read[i]) {
				p.t.Fatalf("byte %d of what engine %d read is wrong", p.read[i], i)
			}
			p.read[i]++
		}
	}
	release(vs)
	if next > 0 {
		c.Consume(p.now, next)
		p.flush(i)
	}
}

// transfer sends so many bytes each way, closes, and checks that all came.
func (p *pair) transfer(total [2]int64, limit int64) {
	p.t.Helper()
	begin := p.now
	for {
		for i := range p.c {
			p.pump(i, total[i])
			p.drain(i)
		}
		if p.read[0] == total[1] && p.read[1] == total[0] && p.c[0].PeerClosed() && p.c[1].PeerClosed() {
			break
		}
		if !p.step() {
			p.t.Fatalf("it stands still: sent %v read %v states %v %v", p.sent, p.read, p.c[0].State(), p.c[1].State())
		}
		if p.now-begin > limit {
			p.t.Fatalf("after %d s: sent %v read %v states %v %v", limit/1e9, p.sent, p.read, p.c[0].State(), p.c[1].State())
		}
		for i, c := range p.c {
			if c.State() == Closed && c.Err() != 0 {
				p.t.Fatalf("engine %d: %v", i, c.Err())
			}
		}
	}
}

func TestTransferClean(t *testing.T) {
	p := newPair(t, 1, nil)
	p.transfer([2]int64{10 << 20, 1 << 20}, 60e9)
	if k := p.c[0].cfg.Counters; k.RetransSegs.Load() != 0 {
		t.Errorf("%d segments were sent again over a link that loses none", k.RetransSegs.Load())
	}
}

// Whatever the link does, the bytes that are read are those that were written.
func TestTransferLossy(t *testing.T) {
	for _, loss := range []float64{0.001, 0.01, 0.05, 0.1, 0.2, 0.3} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("loss=%v/seed=%d", loss, seed), func(t *testing.T) {
				p := newPair(t, seed, func(i int, c *Config) {
					c.Tun.Retries2 = 100
					c.Tun.SynRetries, c.Tun.SynAckRetries = 100, 100
					c.Tun.SACK = seed%3 != 1
					c.Tun.Timestamps = int(seed % 2)
					c.Tun.WindowScaling = seed != 4
					if seed >= 3 {
						c.MaxGSO = 60000
					}
					c.Tun.Congestion = Congestions()[int(seed)%len(Congestions())]
				})
				p.loss, p.dup, p.reorder = loss, 0.01, 0.02
				n := int64(1 << 20)
				if loss > 0.1 {
					n = 100 << 10
				}
				p.transfer([2]int64{n, n / 4}, 20000e9)
			})
		}
	}
}
