package ipv6

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/frag"
	"hull/netstack/header"
)

var pool buffer.Pool

func packet(next header.Protocol, payload []byte) *buffer.Packet {
	p := pool.NewPacket(pool.CopyIn(payload)...)
	header.IPv6(p.Prepend(header.IPv6Size)).Encode(header.IPv6Fields{
		PayloadLen: uint16(len(payload)), Next: next, HopLimit: 64,
		Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"),
	})
	return p
}

func TestFragmentAndJoin(t *testing.T) {
	want := make([]byte, 5000)
	for i := range want {
		want[i] = byte(i * 7)
	}
	r := frag.New(frag.DefaultConfig(time.Second))
	var whole *buffer.Packet
	for _, f := range Fragment(nil, packet(header.ProtocolUDP, want), 1280, 77) {
		if f.Len() > 1280 {
			t.Errorf("a fragment of %d bytes", f.Len())
		}
		w, _, res := Walk(f, true)
		if res != Accept || w.Fragment == nil {
			t.Fatal("no fragment", res)
		}
		d, v := r.Add(1, frag.Key{ID: w.Fragment.ID()}, frag.Piece{Packet: f, HeaderLen: w.Offset, Off: w.Fragment.Offset(), More: w.Fragment.More()})
		if v == frag.Complete {
			Join(d.Packet, d.HeaderLen, d.Len, w.FragmentField, w.Proto, 0)
			whole = d.Packet
		}
	}
	if whole == nil {
		t.Fatal("not complete")
	}
	got := make([]byte, whole.Len())
	whole.CopyTo(got, 0)
	if h := header.IPv6(got); h.Next() != header.ProtocolUDP || int(h.PayloadLen()) != len(want) || !bytes.Equal(h.Payload(), want) {
		t.Errorf("the datagram differs: next %v, length %d", h.Next(), h.PayloadLen())
	}
}

func TestWalk(t *testing.T) {
	for name, c := range map[string]struct {
		next    header.Protocol
		payload []byte
		want    Result
		pointer uint32
	}{
		"plain":             {header.ProtocolUDP, make([]byte, 8), Accept, 0},
		"padding":           {header.ProtocolHopByHop, []byte{17, 0, 1, 4, 0, 0, 0, 0}, Accept, 0},
		"unknown, skipped":  {header.ProtocolDestOpts, []byte{17, 0, 0x1e, 4, 0, 0, 0, 0}, Accept, 0},
		"unknown, dropped":  {header.ProtocolDestOpts, []byte{17, 0, 0x5e, 4, 0, 0, 0, 0}, Drop, 42},
		"unknown, told":     {header.ProtocolDestOpts, []byte{17, 0, 0x9e, 4, 0, 0, 0, 0}, Report, 42},
		"second hop-by-hop": {header.ProtocolDestOpts, []byte{0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}, Report, 40},
		"routing":           {header.ProtocolRouting, []byte{17, 0, 0, 1, 0, 0, 0, 0}, Report, 42},
		"routing, done":     {header.ProtocolRouting, []byte{17, 0, 0, 0, 0, 0, 0, 0}, Accept, 0},
		"segments":          {header.ProtocolRouting, []byte{17, 0, 4, 1, 0, 0, 0, 0}, Ignore, 0},
		"RPL":               {header.ProtocolRouting, []byte{17, 0, 3, 0, 0, 0, 0, 0}, Ignore, 0},
		"cut off":           {header.ProtocolDestOpts, []byte{17, 3, 0, 0, 0, 0, 0, 0}, Report, 40},
	} {
		_, problem, r := Walk(packet(c.next, c.payload), true)
		if w, _, r := Walk(packet(c.next, c.payload), false); c.next == header.ProtocolRouting && (r != Accept || w.Proto != header.ProtocolUDP) {
			t.Errorf("%s: %d on the way", name, r)
		}
		if r != c.want || r != Accept && problem.Pointer != c.pointer {
			t.Errorf("%s: %d at %d; want %d at %d", name, r, problem.Pointer, c.want, c.pointer)
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add(uint8(0), []byte{60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, next uint8, b []byte) {
		if len(b) > 60000 {
			return
		}
		p := packet(header.Protocol(next), b)
		Walk(p, true)
		for _, f := range Fragment(nil, p, 1280, 1) {
			f.Release()
		}
	})
}
