package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

type wire struct {
	link.Endpoint
	d link.Dispatcher
	n int
}

func (w *wire) Send(ps []*buffer.Packet) (int, error) { w.n += len(ps); return len(ps), nil }
func (w *wire) Attach(d link.Dispatcher)              { w.d = d }
func (w *wire) Deliver(ps []*buffer.Packet)           { w.n += len(ps) }
func (w *wire) LinkChanged(bool, int)                 {}

func packet(pool *buffer.Pool, n int) *buffer.Packet {
	p := pool.NewPacket(pool.CopyIn(make([]byte, n-14))...)
	copy(p.Prepend(14), "abcdefABCDEF\x08\x00")
	return p
}

// records returns the packets of a file.
func records(t *testing.T, b []byte) (ps [][]byte, full []int) {
	t.Helper()
	if len(b) < fileHeader || binary.LittleEndian.Uint32(b) != magicNano || binary.LittleEndian.Uint32(b[20:]) != linkEthernet {
		t.Fatalf("the file starts with % x", b)
	}
	for b = b[fileHeader:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		ps, full = append(ps, b[record:record+n]), append(full, int(binary.LittleEndian.Uint32(b[12:])))
		b = b[record+n:]
	}
	return ps, full
}

func TestBothWays(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(Config{W: &file, Snap: 100}, link.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	pool, below := &buffer.Pool{}, &wire{}
	e := New(below, w)
	e.Attach(below)
	p := packet(pool, 60)
	p.Checksum, p.ChecksumStart, p.ChecksumOffset = buffer.ChecksumPartial, 34, 6
	if _, err := e.Send([]*buffer.Packet{p, packet(pool, 300)}); err != nil {
		t.Fatal(err)
	}
	below.d.Deliver([]*buffer.Packet{packet(pool, 80)})
	ps, full := records(t, file.Bytes())
	if below.n != 3 || len(ps) != 3 || len(ps[0]) != 60 || len(ps[1]) != 100 || full[1] != 300 || len(ps[2]) != 80 {
		t.Fatalf("%d passed; written %d packets of %v", below.n, len(ps), full)
	}
	if header.Checksum(ps[0][34:], 0) != 0xffff {
		t.Error("the checksum that is left to the link is not in the file")
	}
}

func TestBound(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(Config{W: &file, Max: 500}, link.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	pool, below := &buffer.Pool{}, &wire{}
	e := New(below, w)
	for range 100 {
		if _, err := e.Send([]*buffer.Packet{packet(pool, 60)}); err != nil {
			t.Fatal(err)
		}
	}
	if below.n != 100 || file.Len() > 500 || file.Len() < 400 {
		t.Errorf("%d passed, %d bytes written", below.n, file.Len())
	}
	records(t, file.Bytes())
}

type full struct{ n int }

func (f *full) Write(b []byte) (int, error) {
	if f.n++; f.n > 1 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

func TestDiskFull(t *testing.T) {
	f := &full{}
	w, err := NewWriter(Config{W: f}, link.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	pool, below := &buffer.Pool{}, &wire{}
	for range 3 {
		_, _ = New(below, w).Send([]*buffer.Packet{packet(pool, 60)})
	}
	if below.n != 3 || f.n != 2 {
		t.Errorf("%d passed, %d writes", below.n, f.n)
	}
}
