package tcp

import "math"

// cubic is RFC 9438: the window grows with the cube of the time since the last
// loss, first towards the window that was lost, then beyond it; never slower than
// NewReno would.
type cubic struct {
	wMax   float64 // segments
	k      float64 // seconds from the start of the epoch until wMax is reached
	origin float64
	epoch  int64 // when it began, ns; 0: not yet
	last   float64
	west   float64 // what NewReno's window would be
	credit int64
	prior  struct{ wMax, last float64 }
	idleAt int64
	hy     hystart
}

// The constants of RFC 9438 section 4.1.
const (
	cubicC     = 0.4
	cubicBeta  = 0.7
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)
)

func (q *cubic) Name() string     { return "cubic" }
func (q *cubic) OwnsWindow() bool { return false }

func (q *cubic) Init(k *Control, now int64) { *q = cubic{} }

// Idle shifts the epoch: the pause is no time in which the window was used
// (section 5.8).
func (q *cubic) Idle(k *Control, now int64) {
	if q.epoch > 0 && q.idleAt > 0 {
		if d := now - q.idleAt; d > 0 {
			q.epoch = min(q.epoch+d, now)
		}
	}
	q.hy.round = 0
}

func (q *cubic) Ack(k *Control, a *AckInfo) {
	q.idleAt = a.Now
	acked := a.Acked
	if k.SlowStart() {
		q.hy.ack(k, a)
	}
	if !k.mayGrow() {
		return
	}
	if k.SlowStart() {
		if acked = k.slowStart(acked); acked == 0 {
			return
		}
	}
	mss := float64(k.MSS)
	w := float64(k.Cwnd) / mss
	if q.epoch == 0 {
		q.begin(w, a.Now)
	}
	t := float64(a.Now-q.epoch)/1e9 + float64(k.MinRTT)/1e9
	d := t - q.k
	target := q.origin + cubicC*d*d*d
	target = min(target, 1.5*w)
	// Section 4.3: the window of NewReno.
	alpha := cubicAlpha
	if q.west >= q.wMax {
		alpha = 1
	}
	q.west += alpha * float64(acked) / mss / w
	if q.west > target {
		target = q.west
	}
	per := 100 * w // hardly at all
	if target > w {
		per = w / (target - w)
	}
	// A segment for each per segments, at most one for two.
	k.additive(&q.credit, acked, int64(max(per, 2)*mss))
}

func (q *cubic) begin(w float64, now int64) {
	q.epoch, q.credit, q.west = now, 0, w
	if w < q.wMax {
		q.k, q.origin = math.Cbrt((q.wMax-w)/cubicC), q.wMax
	} else {
		q.k, q.origin = 0, w
	}
}

func (q *cubic) Loss(k *Control, now int64, kind lossKind) int64 {
	w := float64(k.Cwnd) / float64(k.MSS)
	q.prior.wMax, q.prior.last = q.wMax, q.last
	q.epoch = 0
	if w < q.last {
		q.wMax = w * (1 + cubicBeta) / 2 // section 4.7: fast convergence
	} else {
		q.wMax = w
	}
	q.last = w
	q.hy = hystart{}
	return max(int64(float64(k.Cwnd)*cubicBeta), 2*k.MSS)
}

func (q *cubic) Undo(k *Control, prior int64) int64 {
	q.wMax, q.last = q.prior.wMax, q.prior.last
	return prior
}

// hystart ends slow start when the round trip grows (RFC 9406, without its phase
// of conservative growth).
type hystart struct {
	round     int64 // nxt when it began
	min, last int64 // least round trip of this round and of the one before
	samples   int
}

const (
	hystartSamples = 8
	hystartLow     = 16 // segments: below this there is nothing to learn
)

func (h *hystart) ack(k *Control, a *AckInfo) {
	if h.round == 0 || a.Una > h.round {
		h.round, h.last = a.Nxt, h.min
		h.min, h.samples = 0, 0
	}
	if a.RTT == 0 {
		return
	}
	if h.min == 0 || a.RTT < h.min {
		h.min = a.RTT
	}
	h.samples++
	if h.samples < hystartSamples || h.last == 0 || k.Cwnd < hystartLow*k.MSS {
		return
	}
	if h.min >= h.last+min(max(h.last/8, 4e6), 16e6) {
		k.SSThresh = k.Cwnd
	}
}
