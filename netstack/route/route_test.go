package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// TestTrieAgainstScan compares the trie with a scan of all prefixes.
func TestTrieAgainstScan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, v6 := range []bool{false, true} {
		random := func() netip.Addr {
			if v6 {
				var b [16]byte
				b[0] = 0x20
				for i := 1; i < 16; i++ {
					b[i] = byte(r.IntN(3)) << 6
				}
				return netip.AddrFrom16(b)
			}
			return netip.AddrFrom4([4]byte{10, byte(r.IntN(4)) << 6, byte(r.IntN(3)), byte(r.IntN(256))})
		}
		var tr trie[netip.Prefix]
		all := map[netip.Prefix]bool{}
		for i := range 3000 {
			a := random()
			p, _ := a.Prefix(r.IntN(a.BitLen() + 1))
			if r.IntN(3) == 0 {
				tr = tr.without(p)
				delete(all, p)
			} else {
				tr = tr.with(p, p)
				all[p] = true
			}
			if tr.size != len(all) {
				t.Fatalf("step %d: %d prefixes in the trie, %d put in", i, tr.size, len(all))
			}
			a = random()
			best := -1
			for q := range all {
				if q.Contains(a) {
					best = max(best, q.Bits())
				}
			}
			got := -1
			tr.matches(a, func(q netip.Prefix) bool { got = q.Bits(); return true })
			if got != best {
				t.Fatalf("step %d: %v matched /%d, want /%d", i, a, got, best)
			}
			if v, ok := tr.get(p); ok != all[p] || ok && v != p {
				t.Fatalf("step %d: get(%v) = %v, %v", i, p, v, ok)
			}
		}
		n := 0
		tr.each(func(netip.Prefix) bool { n++; return true })
		if n != len(all) {
			t.Errorf("each yielded %d of %d", n, len(all))
		}
	}
}

func TestLookup(t *testing.T) {
	b := NewRIB(false)
	add := func(dst string, oif int, metric uint32, typ Type, table uint32) {
		t.Helper()
		r := &Route{Dst: prefix(dst), Table: table, Type: typ, Priority: metric}
		if oif != 0 {
			r.Hops = []Hop{{OIF: oif}}
		}
		if _, err := b.Add(r, Exclusive); err != nil {
			t.Fatal(dst, err)
		}
	}
	add("0.0.0.0/0", 1, 0, unix.RTN_UNICAST, TableMain)
	add("10.0.0.0/8", 2, 10, unix.RTN_UNICAST, TableMain)
	add("10.0.0.0/8", 3, 5, unix.RTN_UNICAST, TableMain)
	add("10.1.0.0/16", 0, 0, unix.RTN_UNREACHABLE, TableMain)
	add("10.2.0.0/16", 0, 0, unix.RTN_PROHIBIT, TableMain)
	add("10.3.0.0/16", 0, 0, unix.RTN_BLACKHOLE, TableMain)
	add("10.4.0.1/32", 9, 0, unix.RTN_LOCAL, TableLocal)
	add("10.5.0.0/16", 0, 0, unix.RTN_THROW, TableMain)
	add("10.5.0.0/16", 7, 0, unix.RTN_UNICAST, TableDefault)
	for _, c := range []struct {
		dst  string
		oif  int
		want int
		err  error
	}{
		{"8.8.8.8", 0, 1, nil},
		{"10.9.9.9", 0, 3, nil},
		{"10.9.9.9", 2, 2, nil},
		{"10.9.9.9", 1, 1, nil},
		{"10.9.9.9", 8, 0, unix.ENETUNREACH},
		{"10.1.1.1", 0, 0, unix.EHOSTUNREACH},
		{"10.2.1.1", 0, 0, unix.EACCES},
		{"10.3.1.1", 0, 0, unix.EINVAL},
		{"10.4.0.1", 0, 9, nil},
		{"10.5.1.1", 0, 7, nil},
	} {
		res, err := b.Lookup(&Flow{Dst: addr(c.dst), OIF: c.oif})
		if err != c.err || err == nil && res.Hop.OIF != c.want {
			t.Errorf("%s oif %d: hop %d, %v; want %d, %v", c.dst, c.oif, res.Hop.OIF, err, c.want, c.err)
		}
	}
	b.SetLink(3, false)
	if res, err := b.Lookup(&Flow{Dst: addr("10.9.9.9")}); err != nil || res.Hop.OIF != 2 {
		t.Errorf("with a dead hop: %v, %v", res.Hop, err)
	}
	if _, err := b.Add(&Route{Dst: prefix("0.0.0.0/0"), Table: TableMain, Type: unix.RTN_UNICAST}, Exclusive); err != unix.EEXIST {
		t.Error("a second default route:", err)
	}
	if _, err := b.Delete(TableMain, prefix("10.6.0.0/16"), func(*Route) bool { return true }, false); err != unix.ESRCH {
		t.Error("deleting what is not there:", err)
	}
	if gone := b.Flush(func(r *Route) bool { return r.Table == TableMain }); len(gone) != 7 {
		t.Errorf("flush removed %d routes", len(gone))
	}
}

func TestRules(t *testing.T) {
	b := NewRIB(false)
	for table := uint32(100); table < 103; table++ {
		b.Add(&Route{Dst: prefix("0.0.0.0/0"), Table: table, Type: unix.RTN_UNICAST, Hops: []Hop{{OIF: int(table)}}}, Exclusive)
	}
	rule := func(r Rule) {
		t.Helper()
		r.Suppress = -1
		if r.Action == 0 {
			r.Action = ActionLookup
		}
		if _, err := b.AddRule(r, r.Priority != 0); err != nil {
			t.Fatal(err)
		}
	}
	rule(Rule{Priority: 10, Mark: 1, Mask: 0xff, Table: 100})
	rule(Rule{Priority: 20, Src: prefix("192.0.2.0/24"), Table: 101})
	rule(Rule{Priority: 30, IPProto: unix.IPPROTO_UDP, DstPort: Range{53, 53}, Action: ActionGoto, Goto: 50})
	rule(Rule{Priority: 40, UIDs: Range{1000, 1999}, HasUIDs: true, Action: ActionProhibit})
	rule(Rule{Priority: 50, Invert: true, Mark: 7, Mask: 0xff, Table: 102})
	for i, c := range []struct {
		f    Flow
		want int
		err  error
	}{
		{Flow{Mark: 0x101}, 100, nil},
		{Flow{Src: addr("192.0.2.9")}, 101, nil},
		{Flow{Proto: unix.IPPROTO_UDP, DstPort: 53, UID: 1000}, 102, nil},
		{Flow{UID: 1000}, 0, unix.EACCES},
		{Flow{}, 102, nil},
		{Flow{Mark: 7}, 0, unix.ENETUNREACH},
	} {
		c.f.Dst = addr("203.0.113.1")
		res, err := b.Lookup(&c.f)
		if err != c.err || err == nil && res.Hop.OIF != c.want {
			t.Errorf("case %d: %d, %v; want %d, %v", i, res.Hop.OIF, err, c.want, c.err)
		}
	}
	r, err := b.AddRule(Rule{Action: ActionNop, Suppress: -1}, false)
	if err != nil || r.Priority != 9 {
		t.Errorf("a rule without a priority got %d, %v", r.Priority, err)
	}
	if _, err := b.DeleteRule(func(r *Rule) bool { return r.Priority == 77 }); err != unix.ENOENT {
		t.Error(err)
	}
}

func TestMultipath(t *testing.T) {
	b := NewRIB(true)
	b.Add(&Route{Dst: prefix("::/0"), Table: TableMain, Type: unix.RTN_UNICAST, Hops: []Hop{{OIF: 1, Weight: 3}, {OIF: 2}}}, Exclusive)
	n := map[int]int{}
	for h := range uint32(400) {
		res, err := b.Lookup(&Flow{Dst: addr("2001:db8::1"), Hash: h})
		if err != nil {
			t.Fatal(err)
		}
		n[res.Hop.OIF]++
	}
	if n[1] != 300 || n[2] != 100 {
		t.Error(n)
	}
}

func TestSource6(t *testing.T) {
	// The cases are RFC 6724's section 10.1, and Linux's.
	for i, c := range []struct {
		dst  string
		cs   []string
		want string
	}{
		{"2001:db8:1::1", []string{"2001:db8:3::1/64", "fe80::1/64"}, "2001:db8:3::1"},
		{"ff05::1", []string{"2001:db8:3::1/64", "fe80::1/64"}, "2001:db8:3::1"},
		{"2001:db8:1::1", []string{"2001:db8:1::1/64", "2001:db8:3::1/64"}, "2001:db8:1::1"},
		{"fe80::1", []string{"fe80::2/64", "2001:db8:1::1/64"}, "fe80::2"},
		{"2001:db8:1::1", []string{"2001:db8:1::2/64", "2001:db8:3::2/64"}, "2001:db8:1::2"},
		{"2002:c633:6401::1", []string{"2002:c633:6401::d5e3:7953:13eb:22e8/64", "2001:db8:1::2/64"}, "2002:c633:6401::d5e3:7953:13eb:22e8"},
		{"fd00::9", []string{"2001:db8::1/64", "fd00::1/64"}, "fd00::1"},
		{"::1", []string{"2001:db8::1/64", "::1/128"}, "::1"},
	} {
		for _, reverse := range []bool{false, true} {
			var cs []Candidate
			for _, s := range c.cs {
				cs = append(cs, Candidate{Prefix: prefix(s), OIF: 1})
			}
			if reverse {
				cs[0], cs[1] = cs[1], cs[0]
			}
			if got, ok := Source6(addr(c.dst), 1, false, cs); !ok || got != addr(c.want) {
				t.Errorf("case %d: %v, want %s", i, got, c.want)
			}
		}
	}
}

func TestSource4(t *testing.T) {
	cs := []Candidate{
		{Prefix: prefix("127.0.0.1/8"), OIF: 1, Scope: unix.RT_SCOPE_HOST},
		{Prefix: prefix("192.0.2.1/24"), OIF: 2},
		{Prefix: prefix("192.0.2.2/24"), OIF: 2, Secondary: true},
		{Prefix: prefix("10.0.0.1/8"), OIF: 2},
	}
	for _, c := range []struct {
		dst  string
		oif  int
		want string
	}{
		{"10.9.9.9", 2, "10.0.0.1"}, {"8.8.8.8", 2, "192.0.2.1"}, {"8.8.8.8", 3, "192.0.2.1"},
	} {
		if got, _ := Source4(addr(c.dst), c.oif, unix.RT_SCOPE_UNIVERSE, cs); got.String() != c.want {
			t.Errorf("%s through %d: %v, want %s", c.dst, c.oif, got, c.want)
		}
	}
	if got, _ := Source4(addr("127.1.1.1"), 1, unix.RT_SCOPE_HOST, cs); got.String() != "127.0.0.1" {
		t.Error(got)
	}
}

func BenchmarkLookup(b *testing.B) {
	rib := NewRIB(false)
	for i := range 1000 {
		rib.Add(&Route{Dst: prefix(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)), Table: TableMain, Type: unix.RTN_UNICAST, Hops: []Hop{{OIF: i}}}, Exclusive)
	}
	f := &Flow{Dst: addr("10.2.77.3")}
	b.ReportAllocs()
	for b.Loop() {
		rib.Lookup(f)
	}
}

// TestBounds: routes are counted over all tables, and over those of one prefix.
func TestBounds(t *testing.T) {
	b := NewRIB(false)
	b.change(func(s *state) { // as if most of them had been added
		s.rules = append(s.rules, slices.Repeat([]Rule{{Priority: 1 << 20, Action: ActionLookup, Table: 7}}, MaxRules-len(s.rules)-10)...)
		for i := range uint32(MaxTables - 10) {
			s.tables[i+100] = &Table{id: i + 100}
		}
	})
	for i := range MaxRules - len(b.Rules()) {
		if _, err := b.AddRule(Rule{Action: ActionLookup, Table: 7, Mark: uint32(i + 1), Mask: ^uint32(0)}, true); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := b.AddRule(Rule{Action: ActionLookup, Table: 7}, true); err != unix.ENOBUFS {
		t.Errorf("one rule more: %v", err)
	}
	add := func(table uint32, dst string, metric uint32) error {
		_, err := b.Add(&Route{Table: table, Dst: netip.MustParsePrefix(dst), Type: unix.RTN_UNICAST, Priority: metric, Hops: []Hop{{OIF: 1}}}, Upsert)
		return err
	}
	for i := range uint32(10) {
		if err := add(i+1, "10.0.0.0/8", 0); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := add(11, "10.0.0.0/8", 0); err != unix.ENOBUFS {
		t.Errorf("one table more: %v", err)
	}
	b.change(func(s *state) {
		first := *s.tables[1]
		first.routes += MaxRoutes - 10 - 2
		s.tables[1] = &first
	})
	for i, c := range []struct {
		table  uint32
		dst    string
		metric uint32
		want   error
	}{
		{2, "10.0.0.0/8", 1, nil}, {3, "10.1.0.0/16", 0, nil}, {3, "10.2.0.0/16", 0, unix.ENOBUFS}, {2, "10.0.0.0/8", 2, unix.ENOBUFS},
		{2, "10.0.0.0/8", 1, nil}, // it takes another's place
	} {
		if err := add(c.table, c.dst, c.metric); err != c.want {
			t.Errorf("route %d: %v, want %v", i, err, c.want)
		}
	}
	if _, err := b.Delete(3, netip.MustParsePrefix("10.1.0.0/16"), func(*Route) bool { return true }, true); err != nil {
		t.Error(err)
	}
	if err := add(3, "10.2.0.0/16", 0); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}
