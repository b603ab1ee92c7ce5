package conntrack

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/header"
)

// TestZones: two hosts of the same address and port, in a zone each, go by one address
// to the same server. What only their own direction has a zone for is answered in none.
func TestZones(t *testing.T) {
	tab := NewTable(zeros)
	gw := addr("10.3.0.1")
	var out []Tuple
	for zone := uint16(1); zone <= 2; zone++ {
		p := parse(t, packet4("10.1.0.3", "10.3.0.99", header.ProtocolTCP, 10000, 5201, header.SYN))
		p.Zones = Zones{zone, 0}
		r := tab.Track(p, nil, sec)
		if r.State != New {
			t.Fatalf("zone %d: state %d", zone, r.State)
		}
		tab.SetNAT(r.Conn, true, &Range{Flags: RangeMapIPs, MinAddr: gw, MaxAddr: gw}, sec)
		if !tab.Confirm(r, sec) {
			t.Fatalf("zone %d is not taken", zone)
		}
		c := r.Conn
		if o, a := c.Original().Zone, c.Reply().Zone; o != zone || a != 0 {
			t.Errorf("zones %d and %d", o, a)
		}
		out = append(out, c.Reply().Inverse())
	}
	if out[0].SrcPort == out[1].SrcPort || out[0].Src != gw || out[1].Src != gw {
		t.Errorf("they leave as %+v and %+v", out[0], out[1])
	}
	for i, o := range out {
		p := parse(t, packet4("10.3.0.99", "10.3.0.1", header.ProtocolTCP, 5201, o.SrcPort, header.SYN|header.ACK))
		if r := tab.Track(p, nil, sec); r.Conn == nil || !r.Reply || r.Conn.Original().Zone != uint16(i+1) {
			t.Errorf("the answer to zone %d: %+v", i+1, r)
		}
		// An answer is no more of the zone than other packets are.
		p.Zones = Zones{uint16(i + 1), uint16(i + 1)}
		if r := tab.Track(p, nil, sec); r.State != Invalid {
			t.Errorf("an answer within zone %d: state %d", i+1, r.State)
		}
	}
	// The next packet of each is its own connection's.
	p := parse(t, packet4("10.1.0.3", "10.3.0.99", header.ProtocolTCP, 10000, 5201, header.ACK))
	p.Zones = Zones{2, 0}
	if r := tab.Track(p, nil, sec); r.Reply || r.State != Established || r.Conn.Original().Zone != 2 {
		t.Errorf("the second packet: %+v", r)
	}
}

// TestInsert: a connection that is told of is like one that a packet began.
func TestInsert(t *testing.T) {
	tab := NewTable(zeros)
	told := 0
	tab.Watch(func(e Event, _ *Conn) {
		if e == Created {
			told++
		}
	})
	one := parse(t, packet4("10.0.0.1", "10.0.0.2", header.ProtocolTCP, 1000, 443, header.ACK))
	set := func(c *Conn) error {
		c.SetDeadline(100 * sec)
		if err := c.SetTCP(tcpStates); err != unix.EINVAL {
			t.Errorf("a state that there is not: %v", err)
		}
		for s, want := range map[Status]error{0: unix.EBUSY, Confirmed | Dying: unix.EBUSY, Confirmed | SrcNAT: nil, Confirmed | Assured | SeenReply: nil} {
			if c.Status() != Confirmed {
				continue // it has Assured and SeenReply by now
			}
			if err := c.SetStatus(s); err != want {
				t.Errorf("status %x: %v", s, err)
			}
		}
		_ = c.SetStatus(Confirmed | Assured | SeenReply)
		if err := c.SetStatus(Confirmed); err != unix.EBUSY {
			t.Errorf("taken back: %v", err)
		}
		return c.SetTCP(TCPEstablished)
	}
	for i, want := range []error{nil, unix.EEXIST} {
		if err := tab.Insert(one.Tuple, one.Tuple.Inverse(), nil, sec, set); err != want {
			t.Errorf("insertion %d: %v", i, err)
		}
	}
	if err := tab.Insert(one.Tuple.Inverse(), one.Tuple, nil, sec, set); err != unix.EEXIST {
		t.Errorf("the other way round: %v", err)
	}
	if r := tab.Track(one, nil, 2*sec); r.State != Established || r.Conn.TCP() != TCPEstablished || told != 1 {
		t.Errorf("a packet of it: %+v, told of %d", r, told)
	}
	nat := &[2]Range{{}, {Flags: RangeMapIPs | RangeProtoSpecified, MinAddr: one.Tuple.Dst, MaxAddr: one.Tuple.Dst, MinPort: 5000, MaxPort: 5000}}
	for i, want := range []error{nil, unix.EEXIST} { // the second is translated to what the first is
		tr := one.Tuple
		tr.SrcPort = 2000 + uint16(i)
		if err := tab.Insert(tr, tr.Inverse(), nat, sec, set); err != want {
			t.Errorf("translated %d: %v", i, err)
		}
	}
	x, ok := tab.Find(Tuple{Src: one.Tuple.Dst, Dst: one.Tuple.Dst, SrcPort: 443, DstPort: 5000, Proto: header.ProtocolTCP}, 2*sec)
	if !ok || x.Status()&(SrcNAT|DstNAT|SrcDone|DstDone) != SrcNAT|SrcDone|DstDone {
		t.Errorf("no answer finds the translated one")
	} else if err := tab.Delete(x); err != nil {
		t.Error(err)
	}
	k := tab.Tunables()
	k.Max = 1
	tab.SetTunables(k)
	other := one.Tuple
	other.SrcPort++
	if err := tab.Insert(other, other.Inverse(), nil, sec, set); err != unix.ENOMEM {
		t.Errorf("one too many: %v", err)
	}
	if err := tab.Insert(other, other.Inverse(), nil, sec, func(*Conn) error { return unix.EBUSY }); err != unix.EBUSY || tab.Len() != 1 {
		t.Errorf("what set refuses: %v, %d", err, tab.Len())
	}
}
