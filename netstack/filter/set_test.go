package filter

import (
	"bytes"
	"math/rand"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newSet(flags uint32, keyLen int, fields ...uint32) *Set {
	return &Set{Flags: flags, KeyLen: keyLen, Fields: fields, Elements: newElements()}
}

// Intervals hold what is from their beginning and before their end.
func TestIntervals(t *testing.T) {
	s := newSet(SetInterval, 2)
	in := map[int]bool{}
	for _, r := range [][2]int{{10, 20}, {20, 30}, {300, 301}, {65000, 65536}} {
		if err := s.add(&Element{Key: []byte{byte(r[0] >> 8), byte(r[0])}}, 1); err != nil {
			t.Fatal(err)
		}
		if r[1] < 65536 {
			_ = s.add(&Element{Key: []byte{byte(r[1] >> 8), byte(r[1])}, Flags: ElemIntervalEnd}, 1)
		}
		for v := r[0]; v < r[1]; v++ {
			in[v] = true
		}
	}
	for v := range 65536 {
		if got := s.match([]byte{byte(v >> 8), byte(v)}, 1) != nil; got != in[v] {
			t.Fatalf("%d: %v", v, got)
		}
	}
	if err := s.add(&Element{Key: []byte{0, 10}}, 1); err != unix.EEXIST {
		t.Errorf("a beginning twice: %v", err)
	}
	if e := s.Find(&Element{Key: []byte{0, 15}}, 1); e == nil || e.Key[1] != 10 {
		t.Errorf("the interval of 15 is %v", e)
	}
	if e := s.Find(&Element{Key: []byte{0, 16}, Flags: ElemIntervalEnd}, 1); e == nil || e.Key[1] != 20 {
		t.Errorf("the end after 16 is %v", e)
	}
}

// Each part of a concatenation has a range of its own.
func TestConcatenations(t *testing.T) {
	s := newSet(SetInterval|SetConcat, 8, 4, 2)
	var ranges [][2][]byte
	for range 20 {
		lo, hi := make([]byte, 8), make([]byte, 8)
		for _, i := range []int{0, 4} {
			lo[i] = byte(rand.Intn(200))
			hi[i] = lo[i] + byte(rand.Intn(50))
		}
		hi[1], hi[5] = 255, 255
		ranges = append(ranges, [2][]byte{lo, hi})
		_ = s.add(&Element{Key: lo, KeyEnd: hi}, 1)
	}
	for range 5000 {
		k := []byte{byte(rand.Intn(256)), byte(rand.Intn(256)), 0, 0, byte(rand.Intn(256)), byte(rand.Intn(256)), 0, 0}
		want := false
		for _, r := range ranges {
			want = want || bytes.Compare(k[:4], r[0][:4]) >= 0 && bytes.Compare(k[:4], r[1][:4]) <= 0 &&
				bytes.Compare(k[4:6], r[0][4:6]) >= 0 && bytes.Compare(k[4:6], r[1][4:6]) <= 0
		}
		if got := s.match(k, 1) != nil; got != want {
			t.Fatalf("%v: %v, want %v", k, got, want)
		}
	}
}

func TestTimeouts(t *testing.T) {
	s := newSet(SetTimeout, 1)
	s.Size = 2
	for i := range byte(2) {
		e := &Element{Key: []byte{i}}
		e.SetExpires(int64(time.Second) * int64(i+1))
		_ = s.add(e, 1)
	}
	if s.match([]byte{0}, int64(time.Second)) != nil || s.match([]byte{1}, int64(time.Second)) == nil {
		t.Error("what has expired matches, or what has not does not")
	}
	if err := s.add(&Element{Key: []byte{9}}, 1); err != unix.ENFILE {
		t.Errorf("one more than the size: %v", err)
	}
	if err := s.add(&Element{Key: []byte{9}}, int64(3*time.Second/2)); err != nil {
		t.Errorf("there is room when one has expired: %v", err)
	}
	if n := len(s.All(int64(3 * time.Second / 2))); n != 2 {
		t.Errorf("%d elements", n)
	}
}

// The bucket gives a burst and then the rate.
func TestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		l     *Limit
		step  time.Duration
		size  uint64
		count int // that pass of 100
	}{
		"burst":          {&Limit{Rate: 1, Unit: 1, Burst: 10}, 0, 1, 10},
		"no burst said":  {&Limit{Rate: 1, Unit: 3600}, 0, 1, 5},
		"rate":           {&Limit{Rate: 5, Unit: 1, Burst: 1}, 100 * time.Millisecond, 1, 50},
		"bytes":          {&Limit{Rate: 1000, Unit: 1, Bytes: true}, 0, 100, 10},
		"bytes by rate":  {&Limit{Rate: 1000, Unit: 1, Bytes: true, Burst: 0}, 10 * time.Millisecond, 100, 19},
		"faster than it": {&Limit{Rate: 1 << 62, Unit: 1, Burst: 1}, time.Millisecond, 1, 100},
	} {
		n, now := 0, int64(time.Hour)
		for range 100 {
			if !c.l.over(now, c.size) {
				n++
			}
			now += int64(c.step)
		}
		if n < c.count-1 || n > c.count+1 {
			t.Errorf("%s: %d of 100 passed, want %d", name, n, c.count)
		}
	}
}

// Jumps come back, gotos do not, and what nobody decided is the policy's.
func TestJumps(t *testing.T) {
	jump := func(code Code, to string) *Rule {
		return &Rule{Exprs: []Expr{&Immediate{Verdict: &VerdictData{Code: code, Chain: to}}}}
	}
	var seen [4]Counter
	at := func(i int) *Rule { return &Rule{Exprs: []Expr{&seen[i]}} }
	tb := &Table{Chains: []*Chain{
		{Name: "base", Base: &Base{Policy: Drop}, Rules: []*Rule{jump(CodeJump, "a"), at(0), jump(CodeGoto, "b"), at(1)}},
		{Name: "a", Rules: []*Rule{at(2), jump(CodeReturn, ""), at(1)}},
		{Name: "b", Rules: []*Rule{at(3)}},
	}}
	tb.index()
	x := newRun(t)
	if v := x.base(&step{table: tb, chain: tb.Chains[0]}); v != Drop {
		t.Errorf("verdict %v", v)
	}
	for i, want := range []uint64{1, 0, 1, 1} {
		if n, _ := seen[i].Values(false); n != want {
			t.Errorf("place %d was passed %d times", i, n)
		}
	}
	// A chain that jumps to itself ends too, though no ruleset may have one.
	loop := &Table{Chains: []*Chain{{Name: "l", Base: &Base{}, Rules: []*Rule{jump(CodeJump, "l")}}, {Name: "g", Base: &Base{}, Rules: []*Rule{jump(CodeGoto, "g")}}}}
	loop.index()
	for _, c := range loop.Chains {
		if v := newRun(t).base(&step{table: loop, chain: c}); v != Drop {
			t.Errorf("%s: %v", c.Name, v)
		}
	}
}
