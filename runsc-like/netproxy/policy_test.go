package netproxy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func rules(t *testing.T, texts ...string) []Rule {
	t.Helper()
	var rs []Rule
	for _, s := range texts {
		r, err := ParseRule(s)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

func TestParseRule(t *testing.T) {
	for in, want := range map[string]Rule{
		"192.0.2.1":           {Prefix: netip.MustParsePrefix("192.0.2.1/32")},
		"192.0.2.77/24:80":    {Prefix: netip.MustParsePrefix("192.0.2.0/24"), First: 80, Last: 80},
		"2001:db8::1":         {Prefix: netip.MustParsePrefix("2001:db8::1/128")},
		"[2001:db8::/32]:1-9": {Prefix: netip.MustParsePrefix("2001:db8::/32"), First: 1, Last: 9},
		"::ffff:192.0.2.1":    {Prefix: netip.MustParsePrefix("192.0.2.1/32")},
		"Example.ORG.":        {Name: "example.org"},
		"*.example.org:443":   {Name: "example.org", Below: true, First: 443, Last: 443},
		".example.org":        {Name: "example.org", Below: true},
		"localhost":           {Name: "localhost"},
	} {
		got, err := ParseRule(in)
		got.text = ""
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ":80", "*", "*.", "a..b", "exa mple.org", "192.0.2.256", "192.0.2.1/33", "example.org:0", "example.org:9-1",
		"example.org:65536", "[::1", "[::1]x", "fe80::1%eth0", "1.2.3",
	} {
		if r, err := ParseRule(in); err == nil {
			t.Errorf("%q is taken for %v", in, r)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"192.0.2.1/24:80-90", "[2001:db8::/32]:1", "*.example.org:443", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		r.text = ""
		again, err := ParseRule(r.String())
		again.text = ""
		if err != nil || again != r {
			t.Errorf("%q is %+v, printed %s, which is %+v, %v", s, r, r.String(), again, err)
		}
	})
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		to          string
		names       []string
		ok          bool
	}{
		{nil, nil, "192.0.2.1:80", nil, true},
		{nil, nil, "127.0.0.1:80", nil, false},
		{nil, nil, "[::1]:80", nil, false},
		{nil, nil, "0.0.0.0:80", nil, false},
		{nil, nil, "[::]:80", nil, false},
		{nil, nil, "[::ffff:127.0.0.1]:80", nil, false},
		{nil, nil, "224.0.0.1:80", nil, false},
		{nil, nil, "255.255.255.255:80", nil, false},
		{nil, nil, "169.254.169.254:80", nil, false},
		{[]string{"169.254.169.254:80"}, nil, "169.254.169.254:80", nil, true},
		{[]string{"evil.example"}, nil, "169.254.169.254:80", []string{"evil.example"}, false},
		{nil, []string{"192.0.2.0/24"}, "192.0.2.1:80", nil, false},
		{nil, []string{"192.0.2.0/24:25"}, "192.0.2.1:80", nil, true},
		{[]string{"192.0.2.1"}, nil, "192.0.2.1:80", nil, true},
		{[]string{"192.0.2.1"}, nil, "192.0.2.2:80", nil, false},
		{[]string{"192.0.2.0/24"}, []string{"192.0.2.9"}, "192.0.2.9:80", nil, false},
		{[]string{"example.org:443"}, nil, "192.0.2.1:443", []string{"example.org"}, true},
		{[]string{"example.org:443"}, nil, "192.0.2.1:80", []string{"example.org"}, false},
		{[]string{"example.org:443"}, nil, "192.0.2.1:443", []string{"other.example"}, false},
		{[]string{"*.example.org"}, nil, "192.0.2.1:443", []string{"a.b.example.org"}, true},
		{[]string{"*.example.org"}, nil, "192.0.2.1:443", []string{"example.org"}, false},
		{[]string{"*.example.org"}, nil, "192.0.2.1:443", []string{"notexample.org"}, false},
		{nil, []string{"bad.example"}, "192.0.2.1:443", []string{"good.example", "bad.example"}, false},
	} {
		p := Policy{Allow: rules(t, c.allow...), Deny: rules(t, c.deny...)}
		if why := p.verdict(netip.MustParseAddrPort(c.to), found{asked: c.names}); (why == "") != c.ok {
			t.Errorf("allow %v, deny %v, to %s (%v): %q", c.allow, c.deny, c.to, c.names, why)
		}
	}
}

func TestResolves(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		name        string
		ok          bool
	}{
		{nil, nil, "example.org", true},
		{nil, []string{"example.org"}, "example.org", false},
		{nil, []string{"example.org:25"}, "example.org", true},
		{nil, []string{"*.example.org"}, "www.example.org", false},
		{[]string{"example.org:443"}, nil, "example.org", true},
		{[]string{"example.org:443"}, nil, "secret.evil.example", false},
		{[]string{"example.org", "10.0.0.0/8"}, nil, "intern.example", true},
	} {
		p := Policy{Allow: rules(t, c.allow...), Deny: rules(t, c.deny...)}
		if p.resolves(c.name) != c.ok {
			t.Errorf("allow %v, deny %v: %s resolves: %v", c.allow, c.deny, c.name, !c.ok)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	n, now := newNames(), time.Now()
	a := netip.MustParseAddr("192.0.2.1")
	for i := range 100 {
		n.learn(a, fmt.Sprintf("n%d.example", i), nil, 0, now)
	}
	if got := len(n.of(a, now).asked); got != maxNames {
		t.Errorf("%d names of one address", got)
	}
	if got := n.of(a, now.Add(minLifetime+time.Second)).asked; len(got) != 0 {
		t.Errorf("%v count after their time", got)
	}
	for i := range maxAddrs + 1000 {
		n.learn(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "x.example", []string{"y.example"}, time.Hour, now)
	}
	if len(n.byAddr) > maxAddrs {
		t.Errorf("%d addresses are remembered", len(n.byAddr))
	}
}

// message makes a message of the name service.
func message(t testing.TB, h dnsmessage.Header, name string, typ dnsmessage.Type, answers ...dnsmessage.Resource) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    h,
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
		Answers:   answers,
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLearnFromAnswer(t *testing.T) {
	p := bare(Config{}, nil)
	rh := func(name string, typ dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET, TTL: 60}
	}
	answers := []dnsmessage.Resource{
		{Header: rh("WWW.example.org.", dnsmessage.TypeCNAME), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("cdn.example.net.")}},
		{Header: rh("cdn.example.net.", dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}},
		{Header: rh("cdn.example.net.", dnsmessage.TypeAAAA), Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0: 0x20, 1: 1, 15: 7}}},
	}
	query := message(t, dnsmessage.Header{}, "www.Example.org.", dnsmessage.TypeA)
	p.learn(query, message(t, dnsmessage.Header{Response: true}, "WWW.example.org.", dnsmessage.TypeA, answers...))
	p.learn(query, message(t, dnsmessage.Header{Response: true}, "other.example.", dnsmessage.TypeA, dnsmessage.Resource{
		Header: rh("other.example.", dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}},
	}))
	if got := p.names.of(netip.MustParseAddr("192.0.2.9"), time.Now()); len(got.asked) != 0 {
		t.Errorf("the answer to another question taught %v", got)
	}
	for _, a := range []string{"192.0.2.7", "2001::7"} {
		if got := p.names.of(netip.MustParseAddr(a), time.Now()); len(got.asked) != 1 || got.asked[0] != "www.example.org" || len(got.aliases) != 1 || got.aliases[0] != "cdn.example.net" {
			t.Errorf("%s: %v", a, got)
		}
	}
	p.learn(message(t, dnsmessage.Header{}, "query.example.", dnsmessage.TypeA), message(t, dnsmessage.Header{}, "query.example.", dnsmessage.TypeA,
		dnsmessage.Resource{Header: rh("query.example.", dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 8}}}))
	if got := p.names.of(netip.MustParseAddr("192.0.2.8"), time.Now()); len(got.asked) != 0 {
		t.Errorf("a query taught %v", got)
	}
}

func TestOwnAnswers(t *testing.T) {
	var told []string
	p := bare(Config{Policy: Policy{Deny: rules(t, "bad.example")}, Denied: func(s string) { told = append(told, s) }}, nil)
	answer, drop := p.reply(message(t, dnsmessage.Header{ID: 7}, "Host.hull.internal.", dnsmessage.TypeA))
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil || drop || m.ID != 7 || len(m.Answers) != 1 || m.Answers[0].Body.(*dnsmessage.AResource).A != [4]byte{10, 0, 2, 2} {
		t.Errorf("%v, %v, %+v", drop, err, m)
	}
	for range 3 {
		answer, _ = p.reply(message(t, dnsmessage.Header{}, "bad.example.", dnsmessage.TypeA))
	}
	if err := m.Unpack(answer); err != nil || m.RCode != dnsmessage.RCodeRefused {
		t.Errorf("%v, %+v", err, m)
	}
	if len(told) != 1 {
		t.Errorf("told %q", told)
	}
	if answer, drop = p.reply(message(t, dnsmessage.Header{}, "good.example.", dnsmessage.TypeA)); answer != nil || drop {
		t.Error("a query is not passed on")
	}
	two := dnsmessage.Message{Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("good.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
		{Name: dnsmessage.MustNewName("secret.evil.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
	}}
	if b, err := two.Pack(); err != nil {
		t.Error(err)
	} else if answer, drop = p.reply(b); answer != nil || !drop {
		t.Error("a query with a second name is passed on")
	}
	if _, drop = p.reply([]byte("x")); !drop {
		t.Error("what is no query is passed on")
	}
}

func FuzzDNS(f *testing.F) {
	f.Add(message(f, dnsmessage.Header{}, "host.hull.internal.", dnsmessage.TypeAAAA))
	f.Add(message(f, dnsmessage.Header{Response: true}, "a.example.", dnsmessage.TypeA))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := bare(Config{}, nil)
		p.learn(b, b)
		p.learn(message(t, dnsmessage.Header{}, "a.example.", dnsmessage.TypeA), b)
		p.reply(b)
	})
}
