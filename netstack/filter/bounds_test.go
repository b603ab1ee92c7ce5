package filter

import (
	"encoding/binary"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
)

// begun is a change of an empty ruleset, of which a table is open.
func begun(t testing.TB) (*Tx, *Table) {
	t.Helper()
	r := New(Config{Host: &host{}, Now: func() int64 { return 1e9 }, Wall: time.Now, Random: func(b []byte) { clear(b) }})
	tx, err := r.Begin(0)
	if err != nil {
		t.Fatal(err)
	}
	table, err := tx.AddTable(INet, "t", 0, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return tx, table
}

// TestRulesetIsBounded adds what a ruleset has until it is full, to several tables.
func TestRulesetIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		most    int
		prefill func(first *Table, n int) // as if n had been added
		add     func(tx *Tx, at *Table, name string) error
		want    unix.Errno
	}{
		"tables": {MaxTables - 2, nil, func(tx *Tx, _ *Table, name string) error {
			_, err := tx.AddTable(INet, name, 0, nil, true)
			return err
		}, unix.ENOBUFS},
		"chains":  {MaxChains - 1, func(t *Table, n int) { t.Chains = append(t.Chains, slices.Repeat(t.Chains, n)...) }, func(tx *Tx, at *Table, name string) error { return tx.AddChain(at, &Chain{Name: name}, 0) }, unix.ENOBUFS},
		"sets":    {MaxSets, func(t *Table, n int) { t.Sets = slices.Repeat([]*Set{{}}, n) }, func(tx *Tx, at *Table, name string) error { return tx.AddSet(at, &Set{Name: name, KeyLen: 4}) }, unix.ENOBUFS},
		"objects": {MaxObjects, func(t *Table, n int) { t.Objects = slices.Repeat([]*Object{{}}, n) }, func(tx *Tx, at *Table, name string) error { return tx.AddObject(at, &Object{Name: name}) }, unix.ENOBUFS},
		"rules": {MaxRules, nil, func(tx *Tx, _ *Table, _ string) error {
			first := tx.next.Tables[0]
			tx.next.rules = max(tx.next.rules, MaxRules-10)
			return tx.AddRule(first, first.Chains[0], &Rule{}, AtEnd, 0)
		}, unix.ENOBUFS},
		"elements": {MaxElements, func(t *Table, n int) {
			s := &Set{Name: "s", KeyLen: 4, Elements: newElements()}
			for i := range n {
				s.exact[strconv.Itoa(i)] = &Element{}
			}
			t.Sets, t.sets["s"] = []*Set{s}, s
		}, func(tx *Tx, _ *Table, name string) error {
			first, key := tx.next.Tables[0], make([]byte, 4)
			tx.fresh[first.Set("s")] = true
			n, err := strconv.Atoi(name)
			if err != nil {
				n = MaxElements
			}
			binary.BigEndian.PutUint32(key, uint32(n))
			return tx.AddElement(first, first.Set("s"), &Element{Key: key}, true)
		}, unix.ENFILE},
	} {
		t.Run(name, func(t *testing.T) {
			tx, first := begun(t)
			defer tx.Abort()
			other, err := tx.AddTable(IPv6, "other", 0, nil, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.AddChain(first, &Chain{Name: "c"}, 0); err != nil {
				t.Fatal(err)
			}
			left := c.most
			if c.prefill != nil {
				left = 10
				c.prefill(first, c.most-left)
			} else if name == "rules" {
				left = 10
			}
			for i := range left {
				if err := c.add(tx, []*Table{first, other}[i&1], strconv.Itoa(i)); err != nil {
					t.Fatalf("number %d: %v", i, err)
				}
			}
			for _, at := range []*Table{first, other} {
				if err := c.add(tx, at, "one more"); err != c.want {
					t.Errorf("one more than %d: %v, want %v", c.most, err, c.want)
				}
			}
		})
	}
}

// TestElementsOfAllSets: sets are bounded together, too.
func TestElementsOfAllSets(t *testing.T) {
	tx, table := begun(t)
	full := newElements()
	for i := range MaxElements {
		full.exact[strconv.Itoa(i)] = &Element{}
	}
	for i := range maxAll / MaxElements {
		s := &Set{Name: strconv.Itoa(i), KeyLen: 4}
		if err := tx.AddSet(table, s); err != nil {
			t.Fatal(err)
		}
		s.Elements = full
	}
	s := &Set{Name: "one more", KeyLen: 4}
	if err := tx.AddSet(table, s); err != nil {
		t.Fatal(err)
	}
	if err := tx.AddElement(table, s, &Element{Key: make([]byte, 4)}, true); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != unix.ENOMEM {
		t.Errorf("one element more than %d: %v", maxAll, err)
	}
}

// TestSetOfPackets: a set without a size that packets fill gets one, and when it is
// full it is looked through for what has expired once a second, not by each packet.
func TestSetOfPackets(t *testing.T) {
	tx, table := begun(t)
	s := &Set{Name: "s", KeyLen: 4, Flags: SetTimeout}
	if err := tx.AddSet(table, s); err != nil {
		t.Fatal(err)
	}
	c := &Chain{Name: "c"}
	if err := tx.AddChain(table, c, 0); err != nil {
		t.Fatal(err)
	}
	if err := tx.AddRule(table, c, &Rule{Exprs: []Expr{&DynSet{Set: "s", SRegKey: 4}}}, AtEnd, 0); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	s = table.Set("s")
	if s.Size != packetElements {
		t.Errorf("the size is %d", s.Size)
	}
	now := int64(time.Hour)
	add := func(i int, life time.Duration) error {
		e := &Element{Key: []byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}}
		e.SetExpires(now + int64(life))
		return s.add(e, now)
	}
	for i := range packetElements {
		if err := add(i, time.Second+time.Duration(i)); err != nil {
			t.Fatal(i, err)
		}
	}
	for i, step := range []struct {
		wait time.Duration
		want error
	}{
		{0, unix.ENFILE}, {time.Second / 2, unix.ENFILE}, // nothing has expired
		{time.Second/2 + 100, nil}, // 101 have
	} {
		now += int64(step.wait)
		if err := add(1<<20+i, time.Nanosecond); err != step.want {
			t.Errorf("step %d: %v, want %v", i, err, step.want)
		}
	}
	for i := range 100 {
		if err := add(1<<21+i, time.Nanosecond); err != nil {
			t.Fatal(i, err)
		}
	}
	swept := s.swept
	for i := range 1000 {
		now += int64(time.Microsecond)
		if err := add(1<<22+i, time.Minute); err == nil || s.swept != swept {
			t.Fatalf("the set was looked through again %v later: %v", time.Duration(now-swept), err)
		}
	}
	if now += sweepEvery; add(1<<23, time.Minute) != nil {
		t.Error("no room was made after a second")
	}
}

// TestConnLimitIsBounded: what is remembered of connections is bounded, and many are
// not looked through by each packet.
func TestConnLimitIsBounded(t *testing.T) {
	e := &ConnLimit{Count: 10}
	track := conntrack.NewTable(func(b []byte) { clear(b) })
	now := int64(time.Hour)
	for i := range maxConnLimit + 1000 {
		p := &conntrack.Packet{Len: 40, Flags: header.SYN}
		p.Tuple.Proto, p.Tuple.SrcPort, p.Tuple.DstPort = header.ProtocolTCP, uint16(i), uint16(i>>16)
		x := &run{ref: track.Track(p, nil, now), c: &Context{Now: now}}
		e.eval(x)
		if over := x.code == CodeBreak; over != (i >= 10) {
			t.Fatalf("connection %d: code %d", i, x.code)
		}
		swept := now - e.swept
		if i > fewConns && swept > int64(sweepTick) {
			t.Fatalf("not looked through for %v", time.Duration(swept))
		}
		now += 1000
	}
	if n := len(e.conns); n != maxConnLimit {
		t.Errorf("%d connections are remembered", n)
	}
}
