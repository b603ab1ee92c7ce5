package tcp

import (
	"fmt"
	"testing"
)

// Each algorithm fills a bottleneck of 20 Mbit/s with 40 ms of round trip and a
// queue of as much, without losing more than it must.
func TestCongestionFillsBottleneck(t *testing.T) {
	for _, name := range Congestions() {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, 7, func(i int, c *Config) { c.Tun.Congestion = name })
			p.delay, p.rate, p.queue = 20e6, 2_500_000, 40e6
			begin := p.now
			p.transfer([2]int64{25_000_000, 0}, 60e9)
			took := float64(p.now-begin) / 1e9
			k := p.c[0].cfg.Counters
			t.Logf("%.1f s, %d of %d segments again", took, k.RetransSegs.Load(), k.OutSegs.Load())
			if took > 14 {
				t.Errorf("25 MB over 2.5 MB/s took %.1f s", took)
			}
			if again := k.RetransSegs.Load(); again > k.OutSegs.Load()/10 {
				t.Errorf("%d of %d segments were sent again", again, k.OutSegs.Load())
			}
		})
	}
}

// A little loss must not stop a connection: what RACK and PRR are for.
func TestCongestionUnderLoss(t *testing.T) {
	for _, k := range []struct {
		name  string
		loss  float64
		least float64 // bytes a second
	}{{"reno", 0.001, 600_000}, {"cubic", 0.001, 800_000}, {"bbr", 0.01, 1_200_000}} {
		t.Run(fmt.Sprintf("%s/%v", k.name, k.loss), func(t *testing.T) {
			p := newPair(t, 9, func(i int, c *Config) { c.Tun.Congestion = k.name })
			p.delay, p.rate, p.queue, p.loss = 20e6, 2_500_000, 40e6, k.loss
			begin := p.now
			p.transfer([2]int64{20_000_000, 0}, 200e9)
			rate := 20e6 / (float64(p.now-begin) / 1e9)
			t.Logf("%.0f bytes a second", rate)
			if rate < k.least {
				t.Errorf("%.0f bytes a second, less than %.0f", rate, k.least)
			}
		})
	}
}

// Marks reduce the window before anything is lost.
func TestCongestionMarks(t *testing.T) {
	p := newPair(t, 11, func(i int, c *Config) { c.Tun.ECN = 1 })
	p.delay, p.rate, p.mark = 20e6, 2_500_000, 0.02
	p.transfer([2]int64{5_000_000, 0}, 60e9)
	i := p.c[0].Info(p.now)
	if !i.ECN || i.Stats.DeliveredCE == 0 {
		t.Errorf("ECN %v, %d marked", i.ECN, i.Stats.DeliveredCE)
	}
	if n := p.c[0].cfg.Counters.RetransSegs.Load(); n != 0 {
		t.Errorf("%d segments were sent again", n)
	}
}
