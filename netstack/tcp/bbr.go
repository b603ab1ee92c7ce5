package tcp

// bbr is BBR version 2 (draft-cardwell-iccrg-bbr-congestion-control-02): it
// models the path by the rate at which it delivers and its least round trip, and
// sends at that rate with about as much in flight as fills it. Losses and marks
// bound what is in flight; they are not taken for a full queue by themselves.
//
//	startup → drain → probeBW: down → cruise → refill → up → down …
//	                  and every five seconds probeRTT, for 200 ms
type bbr struct {
	state bbrState
	bw    [2]int64 // the most delivered a second, in this cycle of probing and the one before
	cycle int64    // when the phase of probing began
	down  int64    // how long cruising lasts in this cycle

	minRTT   int64
	minRTTAt int64
	probeAt  int64 // when probeRTT ends; 0: it did not begin to count
	prior    int64 // window before probeRTT, or a loss

	round      int64 // bytes delivered when the round ends
	rounds     int   // in a row without growth, in startup
	fullBW     int64
	filled     bool // startup found the rate
	roundStart bool

	inflightHi  int64 // 0: no bound
	inflightLo  int64
	bwLo        int64
	lossRound   int64 // bytes lost in this round
	lossEvents  int
	delivered   int64 // bytes delivered in this round
	marks       int64 // of them, those with marks
	upRounds    int   // rounds in probeUp: the bound grows faster each time
	pacingGain  float64
	cwndGain    float64
	ackedInHigh int64
}

type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrDown
	bbrCruise
	bbrRefill
	bbrUp
	bbrProbeRTT
)

// The constants of the draft.
const (
	bbrStartupGain   = 2.77
	bbrDrainGain     = 0.35
	bbrCwndGain      = 2.0
	bbrUpGain        = 1.25
	bbrDownGain      = 0.9
	bbrBeta          = 0.7
	bbrHeadroom      = 0.85
	bbrLossThresh    = 0.02
	bbrMinRTTWindow  = 10e9
	bbrProbeInterval = 5e9
	bbrProbeTime     = 200e6
	bbrPacingMargin  = 0.99
	bbrMinSegments   = 4
)

func (b *bbr) Name() string     { return "bbr" }
func (b *bbr) OwnsWindow() bool { return true }

func (b *bbr) Init(k *Control, now int64) {
	*b = bbr{minRTT: k.MinRTT, minRTTAt: now, prior: k.Cwnd}
	b.enter(bbrStartup, now)
	k.SSThresh = infiniteThresh
	rtt := k.SRTT
	if rtt == 0 {
		rtt = 1e6
	}
	k.PacingRate = max(int64(bbrStartupGain*float64(k.Cwnd)*1e9/float64(rtt)), 1)
}

func (b *bbr) enter(s bbrState, now int64) {
	b.state, b.cycle = s, now
	b.pacingGain, b.cwndGain = 1, bbrCwndGain
	switch s {
	case bbrStartup:
		b.pacingGain = bbrStartupGain
	case bbrDrain:
		b.pacingGain = bbrDrainGain
	case bbrDown:
		b.pacingGain = bbrDownGain
		// Between two and three seconds, so that flows do not probe at once.
		b.down = 2e9 + int64(uint64(now)*2654435761>>12%1e9)
	case bbrUp:
		b.pacingGain = bbrUpGain
		b.upRounds, b.ackedInHigh = 0, 0
	case bbrRefill:
		b.bwLo, b.inflightLo = 0, 0
	case bbrProbeRTT:
		b.probeAt = 0
	}
}

// maxBW is the rate that the path is believed to carry.
func (b *bbr) maxBW() int64 {
	w := max(b.bw[0], b.bw[1])
	return w
}

// rate is what is sent at: no more than short-term losses allow.
func (b *bbr) rate() int64 {
	w := b.maxBW()
	if b.bwLo > 0 {
		w = min(w, b.bwLo)
	}
	return w
}

// bdp is the product of rate and least round trip, times gain, in bytes.
func (b *bbr) bdp(k *Control, gain float64) int64 {
	if b.minRTT == 0 || b.maxBW() == 0 {
		return b.prior
	}
	return int64(float64(b.rate()) * float64(b.minRTT) / 1e9 * gain)
}

func (b *bbr) Ack(k *Control, a *AckInfo) {
	b.delivered += a.Delivered
	b.lossRound += a.Lost
	if a.Lost > 0 {
		b.lossEvents++
	}
	if a.ECE {
		b.marks += a.Delivered
	}
	b.roundStart = false
	if a.Rate.Delivered > 0 && a.Rate.Prior >= b.round {
		b.round = a.Rate.Total
		b.roundStart = true
	}
	if w := a.Rate.PerSecond(); w > 0 && (!a.Rate.Limited || w >= b.maxBW()) {
		b.bw[0] = max(b.bw[0], w)
	}
	b.updateMinRTT(k, a)
	if b.roundStart {
		b.endRound(k, a)
	}
	b.advance(k, a)
	b.probeRTT(k, a)
	b.set(k, a)
}

// lossy reports whether the round lost, or had marked, more than is tolerated.
func (b *bbr) lossy() bool {
	all := b.delivered + b.lossRound
	return b.lossRound > 0 && float64(b.lossRound) > bbrLossThresh*float64(all) || b.marks*2 > all
}

// endRound takes stock once a round trip.
func (b *bbr) endRound(k *Control, a *AckInfo) {
	lossy := b.lossy()
	if b.state == bbrStartup && !a.Rate.Limited {
		if w := b.maxBW(); w >= b.fullBW+b.fullBW/4 {
			b.fullBW, b.rounds = w, 0
		} else if b.rounds++; b.rounds >= 3 {
			b.filled = true
		}
		if lossy && b.lossEvents >= 6 {
			b.filled = true
			b.inflightHi = max(b.bdp(k, 1), a.PriorInflight)
		}
	}
	if lossy && b.state != bbrStartup {
		if b.state == bbrUp || b.state == bbrRefill {
			// Probing went too far: what was in flight then is the bound.
			if !a.Rate.Limited {
				b.inflightHi = max(a.PriorInflight, int64(float64(b.bdp(k, 1))*bbrBeta))
			}
			b.enter(bbrDown, a.Now)
		} else {
			// Cruising: somebody else is there. Give way for a while.
			if b.bwLo == 0 {
				b.bwLo = b.maxBW()
			}
			if b.inflightLo == 0 {
				b.inflightLo = k.Cwnd
			}
			b.bwLo = max(int64(float64(b.bwLo)*bbrBeta), a.Rate.PerSecond())
			b.inflightLo = max(int64(float64(b.inflightLo)*bbrBeta), bbrMinSegments*k.MSS)
		}
	} else if b.state == bbrUp && b.inflightHi > 0 && a.Limited {
		b.upRounds++
	}
	b.lossRound, b.lossEvents, b.delivered, b.marks = 0, 0, 0, 0
}

// advance goes through the phases.
func (b *bbr) advance(k *Control, a *AckInfo) {
	since := a.Now - b.cycle
	switch b.state {
	case bbrStartup:
		if b.filled {
			b.enter(bbrDrain, a.Now)
		}
	case bbrDrain:
		if a.Inflight <= b.bdp(k, 1) {
			b.enter(bbrDown, a.Now)
		}
	case bbrDown:
		room := b.bdp(k, 1)
		if b.inflightHi > 0 {
			room = min(room, int64(float64(b.inflightHi)*bbrHeadroom))
		}
		if a.Inflight <= room || since > b.minRTT*3 && since > 50e6 {
			b.enter(bbrCruise, a.Now)
		}
	case bbrCruise:
		if since > b.down || since > max(b.minRTT*63, 50e6) {
			b.enter(bbrRefill, a.Now)
			b.round = a.Rate.Total
		}
	case bbrRefill:
		if b.roundStart {
			b.enter(bbrUp, a.Now)
		}
	case bbrUp:
		b.raise(k, a)
		if since > b.minRTT && a.Inflight > b.bdp(k, bbrUpGain) {
			// A new cycle: the rates of the last but one are forgotten.
			b.bw = [2]int64{b.bw[0], b.bw[0]}
			b.enter(bbrDown, a.Now)
			b.bw[0] = a.Rate.PerSecond()
		}
	}
}

// raise lets the bound of what is in flight grow while probing finds room: by a
// segment in the first round, then twice as much in each.
func (b *bbr) raise(k *Control, a *AckInfo) {
	if b.inflightHi == 0 || !a.Limited {
		return
	}
	b.ackedInHigh += a.Delivered
	per := max(b.inflightHi>>min(b.upRounds, 30), k.MSS)
	if b.ackedInHigh >= per {
		b.inflightHi += b.ackedInHigh / per * k.MSS
		b.ackedInHigh %= per
	}
}

// updateMinRTT keeps the least round trip of ten seconds.
func (b *bbr) updateMinRTT(k *Control, a *AckInfo) {
	if a.RTT <= 0 {
		return
	}
	if b.minRTT == 0 || a.RTT <= b.minRTT || a.Now-b.minRTTAt > bbrMinRTTWindow && b.state != bbrProbeRTT {
		b.minRTT, b.minRTTAt = a.RTT, a.Now
	}
}

// probeRTT empties the path now and then, so that the least round trip is seen.
func (b *bbr) probeRTT(k *Control, a *AckInfo) {
	if b.state != bbrProbeRTT {
		if b.filled && a.Now-b.minRTTAt > bbrProbeInterval {
			b.prior = max(k.Cwnd, b.prior)
			b.enter(bbrProbeRTT, a.Now)
			b.cwndGain = 0.5
		}
		return
	}
	b.cwndGain = 0.5
	if b.probeAt == 0 {
		if a.Inflight <= b.probeWindow(k) {
			b.probeAt = a.Now + bbrProbeTime
		}
		return
	}
	if a.Now >= b.probeAt {
		b.minRTTAt = a.Now
		if a.RTT > 0 {
			b.minRTT = min(b.minRTT, a.RTT)
		}
		k.Cwnd = max(k.Cwnd, b.prior)
		b.enter(bbrDown, a.Now)
		b.enter(bbrCruise, a.Now)
		b.down = 2e9
	}
}

func (b *bbr) probeWindow(k *Control) int64 {
	return max(b.bdp(k, 0.5), bbrMinSegments*k.MSS)
}

// set sets the pace and the window.
func (b *bbr) set(k *Control, a *AckInfo) {
	if w := b.rate(); w > 0 {
		r := int64(float64(w) * b.pacingGain * bbrPacingMargin)
		if b.filled || r > k.PacingRate {
			k.PacingRate = max(r, 1)
		}
	}
	target := b.bdp(k, b.cwndGain)
	// Room for what acknowledgments that come in bursts stand for.
	target += 3 * k.MSS
	if b.filled {
		k.Cwnd = min(k.Cwnd+a.Delivered, target)
	} else if k.Cwnd < target || b.maxBW() == 0 {
		k.Cwnd += a.Delivered
	}
	if b.inflightHi > 0 && b.state >= bbrDown {
		hi := b.inflightHi
		if b.state == bbrCruise || b.state == bbrDown {
			hi = int64(float64(hi) * bbrHeadroom)
		}
		k.Cwnd = min(k.Cwnd, hi)
	}
	if b.inflightLo > 0 {
		k.Cwnd = min(k.Cwnd, b.inflightLo)
	}
	if b.state == bbrProbeRTT {
		k.Cwnd = min(k.Cwnd, b.probeWindow(k))
	}
	k.Cwnd = max(k.Cwnd, bbrMinSegments*k.MSS)
}

// Loss keeps the window for when it is over; the model sees the losses itself.
func (b *bbr) Loss(k *Control, now int64, kind lossKind) int64 {
	b.prior = max(k.Cwnd, bbrMinSegments*k.MSS)
	if kind == lossTimeout {
		b.fullBW, b.rounds = 0, 0
	}
	return max(k.SSThresh, 2*k.MSS)
}

func (b *bbr) Undo(k *Control, prior int64) int64 {
	b.inflightLo, b.bwLo = 0, 0
	return max(prior, b.prior)
}

func (b *bbr) Idle(k *Control, now int64) {
	if b.state >= bbrDown && b.rate() > 0 {
		k.PacingRate = max(int64(float64(b.rate())*bbrPacingMargin), 1)
	}
}
