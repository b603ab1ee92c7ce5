package vnet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
	"hull/netstack/link/virtio"
)

// sink collects what a link delivers.
type sink struct {
	mu      sync.Mutex
	packets []*buffer.Packet
	states  []bool
	came    chan struct{}
}

func newSink() *sink { return &sink{came: make(chan struct{}, 1)} }

func (s *sink) Deliver(ps []*buffer.Packet) {
	s.mu.Lock()
	s.packets = append(s.packets, ps...)
	s.mu.Unlock()
	s.poke()
}

func (s *sink) LinkChanged(up bool, _ int) {
	s.mu.Lock()
	s.states = append(s.states, up)
	s.mu.Unlock()
	s.poke()
}

func (s *sink) poke() {
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// wait waits until ok holds.
func (s *sink) wait(t *testing.T, ok func(ps []*buffer.Packet, states []bool) bool) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		done := ok(s.packets, s.states)
		n := len(s.packets)
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.came:
		case <-late:
			t.Fatalf("timed out with %d packets", n)
		}
	}
}

func pair(t *testing.T) (a, b *Endpoint, pool *buffer.Pool) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	pool = &buffer.Pool{}
	var es [2]*Endpoint
	for i, fd := range fds {
		if es[i], err = New(Config{FD: fd, Pool: pool, MTU: 1500, Kind: link.Ethernet, Peer: true}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, e := range es {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return es[0], es[1], pool
}

// frame returns a packet of n bytes that start with its number.
func frame(pool *buffer.Pool, number, n int) *buffer.Packet {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * number)
	}
	binary.BigEndian.PutUint32(b, uint32(number))
	head := min(n, 60)
	p := pool.NewPacket(pool.CopyIn(b[head:])...)
	copy(p.Prepend(head), b[:head])
	return p
}

func contents(p *buffer.Packet) []byte {
	b := make([]byte, p.Len())
	p.CopyTo(b, 0)
	return b
}

func TestBatchesOfAllSizes(t *testing.T) {
	a, b, pool := pair(t)
	s := newSink()
	b.Attach(s)
	sizes := []int{14, 60, smallFrame - 1, smallFrame, smallFrame + 1, 1514, 9014, 65550}
	const rounds = 40
	var want [][]byte
	for r := range rounds {
		var ps []*buffer.Packet
		for i := range sizes {
			p := frame(pool, r*len(sizes)+i, sizes[(r+i)%len(sizes)])
			want = append(want, contents(p))
			ps = append(ps, p)
		}
		for len(ps) > 0 { // the host's queue of the pair is small
			n, err := a.Send(ps)
			if err != nil || n != len(ps) {
				t.Fatalf("Send = %d, %v; want %d", n, err, len(ps))
			}
			ps = ps[n:]
		}
		s.wait(t, func(ps []*buffer.Packet, _ []bool) bool { return len(ps) == len(want) })
	}
	for i, p := range s.packets {
		if !bytes.Equal(contents(p), want[i]) {
			t.Fatalf("packet %d of %d bytes is not what was sent, of %d", i, p.Len(), len(want[i]))
		}
		if p.Received.IsZero() {
			t.Fatalf("packet %d has no time", i)
		}
		p.Release()
	}
}

func TestOffloadsCross(t *testing.T) {
	a, b, pool := pair(t)
	s := newSink()
	b.Attach(s)
	p := frame(pool, 1, 8000)
	h := p.Head()
	header.TCP(h[34:]).Encode(header.TCPFields{Flags: header.ACK | header.CWR})
	p.Checksum, p.ChecksumStart, p.ChecksumOffset = buffer.ChecksumPartial, 34, header.TCPChecksumOffset
	p.GSO = buffer.GSO{Size: 1448, Type: buffer.GSOTCP4}
	q := frame(pool, 2, 100)
	if n, err := a.Send([]*buffer.Packet{p, q}); n != 2 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	s.wait(t, func(ps []*buffer.Packet, _ []bool) bool { return len(ps) == 2 })
	got := s.packets[0]
	if got.Checksum != buffer.ChecksumPartial || got.ChecksumStart != 34 || got.ChecksumOffset != header.TCPChecksumOffset {
		t.Errorf("checksum = %d at %d+%d", got.Checksum, got.ChecksumStart, got.ChecksumOffset)
	}
	if got.GSO != (buffer.GSO{Size: 1448, Type: buffer.GSOTCP4}) {
		t.Errorf("GSO = %+v", got.GSO)
	}
	if plain := s.packets[1]; plain.Checksum != buffer.ChecksumUnknown || plain.GSO.Size != 0 {
		t.Errorf("a plain packet has checksum %d, GSO %+v", plain.Checksum, plain.GSO)
	}
}

func TestEncodeSegmentation(t *testing.T) {
	pool := &buffer.Pool{}
	for kind, want := range map[buffer.GSOType][2]byte{
		buffer.GSOTCP4: {virtio.GSOTCP4, 54}, buffer.GSOTCP6: {virtio.GSOTCP6, 54}, buffer.GSOUDP: {virtio.GSOUDP, 42},
	} {
		p := frame(pool, 0, 3000)
		header.TCP(p.Head()[34:]).Encode(header.TCPFields{Flags: header.ACK})
		p.Checksum, p.ChecksumStart = buffer.ChecksumPartial, 34
		p.GSO = buffer.GSO{Size: 1400, Type: kind}
		var h [virtio.HeaderSize]byte
		virtio.Encode(h[:], p)
		if h[0] != virtio.NeedsChecksum || h[1] != want[0] || h[2] != want[1] || binary.LittleEndian.Uint16(h[4:]) != 1400 {
			t.Errorf("kind %d: % x", kind, h)
		}
		p.Release()
	}
}

func TestEndOfPeer(t *testing.T) {
	a, b, pool := pair(t)
	s := newSink()
	b.Attach(s)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	s.wait(t, func(_ []*buffer.Packet, states []bool) bool { return len(states) == 1 && !states[0] })
	if _, err := b.Send([]*buffer.Packet{frame(pool, 1, 60)}); err != unix.ENETDOWN {
		t.Errorf("Send to nobody = %v, want ENETDOWN", err)
	}
	if _, err := a.Send([]*buffer.Packet{frame(pool, 1, 60)}); err != unix.ENETDOWN {
		t.Errorf("Send after Close = %v, want ENETDOWN", err)
	}
}

func TestFullQueueDrops(t *testing.T) {
	a, _, pool := pair(t) // nobody reads the other end
	var ps []*buffer.Packet
	for i := range 200 {
		ps = append(ps, frame(pool, i, 60000))
	}
	n, err := a.Send(ps)
	if n == 0 || n == len(ps) || err != nil {
		t.Errorf("Send = %d of %d, %v", n, len(ps), err)
	}
}

func TestAttachAgain(t *testing.T) {
	a, b, pool := pair(t)
	first, second := newSink(), newSink()
	b.Attach(first)
	send := func(i int) {
		if _, err := a.Send([]*buffer.Packet{frame(pool, i, 60)}); err != nil {
			t.Fatal(err)
		}
	}
	one := func(ps []*buffer.Packet, _ []bool) bool { return len(ps) == 1 }
	send(1)
	first.wait(t, one)
	b.Attach(nil)
	send(2)
	b.Attach(second)
	second.wait(t, one)
	if n := len(first.packets); n != 1 {
		t.Errorf("%d packets were delivered to who was detached", n-1)
	}
}

// Slots grow with use, and shrink when they are not used.
func TestAdapt(t *testing.T) {
	r := &receiver{n: minSlots}
	pool := &buffer.Pool{}
	for range 10 {
		r.prepare(pool)
		r.adapt(r.n)
	}
	if r.n != maxSlots {
		t.Fatalf("%d slots after full batches", r.n)
	}
	for range 1000 {
		r.prepare(pool)
		r.adapt(1)
	}
	if r.n != minSlots {
		t.Errorf("%d slots after batches of one", r.n)
	}
	for i := r.n; i < maxSlots; i++ {
		if r.slots[i].large != nil || r.slots[i].small != nil {
			t.Errorf("slot %d keeps its memory", i)
		}
	}
}

func TestVLANGoesBackIn(t *testing.T) {
	pool := &buffer.Pool{}
	var s slot
	s.prepare(pool)
	want := make([]byte, 64)
	for i := range want {
		want[i] = byte(i)
	}
	copy(want[12:], []byte{0x81, 0x00, 0x20, 0x07, 0x08, 0x00})
	bare := append(append([]byte{}, want[:12]...), want[16:]...)
	copy(s.small.Bytes()[front:], bare)
	s.head = [virtio.HeaderSize]byte{virtio.NeedsChecksum, 0, 0, 0, 0, 0, 34, 0, 6, 0}
	p := s.take(virtio.HeaderSize+len(bare), &tag{0x8100, 0x2007}, pool, time.Now())
	if p == nil || !bytes.Equal(contents(p), want) {
		t.Fatalf("got % x, want % x", contents(p), want)
	}
	if p.ChecksumStart != 38 {
		t.Errorf("the checksum starts at %d, want 38", p.ChecksumStart)
	}
	aux := make([]byte, 36)
	binary.LittleEndian.PutUint32(aux[8:], unix.SOL_PACKET)
	binary.LittleEndian.PutUint32(aux[12:], unix.PACKET_AUXDATA)
	if auxTag(aux) != nil {
		t.Error("a tag without TP_STATUS_VLAN_VALID")
	}
	binary.LittleEndian.PutUint32(aux[16:], unix.TP_STATUS_VLAN_VALID|unix.TP_STATUS_VLAN_TPID_VALID)
	binary.LittleEndian.PutUint16(aux[32:], 0x2007)
	binary.LittleEndian.PutUint16(aux[34:], 0x88a8)
	if v := auxTag(aux); v == nil || *v != (tag{0x88a8, 0x2007}) {
		t.Errorf("auxTag = %+v", v)
	}
}

// Whatever the other end says of a frame, a packet is consistent or is none.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{1, 1, 54, 0, 0x50, 5, 34, 0, 16, 0}, 1514, false)
	f.Add([]byte{2, 5, 0, 0, 0, 1, 0, 0, 0, 0}, 60000, true)
	f.Add([]byte{}, 3, true)
	f.Fuzz(func(t *testing.T, head []byte, n int, tagged bool) {
		pool := &buffer.Pool{}
		var s slot
		s.prepare(pool)
		copy(s.head[:], head)
		var vlan *tag
		if tagged {
			vlan = &tag{0x8100, 1}
		}
		p := s.take(n%(virtio.HeaderSize+smallFrame+largeFrame+2), vlan, pool, time.Time{})
		if p == nil {
			return
		}
		if p.Checksum == buffer.ChecksumPartial && int(p.ChecksumStart)+int(p.ChecksumOffset)+2 > len(p.Head()) {
			t.Errorf("checksum at %d+%d of %d", p.ChecksumStart, p.ChecksumOffset, len(p.Head()))
		}
		if (p.GSO.Size == 0) != (p.GSO.Type == buffer.GSONone) {
			t.Errorf("GSO %+v", p.GSO)
		}
		p.Release()
	})
}

// discard counts.
type discard struct{ n chan int }

func (d discard) Deliver(ps []*buffer.Packet) {
	for _, p := range ps {
		p.Release()
	}
	d.n <- len(ps)
}

func (discard) LinkChanged(bool, int) {}

func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{60, 1514, 65000} {
		b.Run("", func(b *testing.B) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			pool := &buffer.Pool{}
			tx, err := New(Config{FD: fds[0], Pool: pool, Peer: true})
			if err != nil {
				b.Fatal(err)
			}
			rx, err := New(Config{FD: fds[1], Pool: pool, Peer: true})
			if err != nil {
				b.Fatal(err)
			}
			d := discard{n: make(chan int, 1024)}
			rx.Attach(d)
			payload := pool.CopyIn(make([]byte, size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for sent, got := 0, 0; got < b.N; {
				var ps []*buffer.Packet
				for range min(16, b.N-sent) {
					ps = append(ps, pool.NewPacket(payload[0].Sub(0, size)))
				}
				n, err := tx.Send(ps)
				if err != nil {
					b.Fatal(err)
				}
				for sent += n; got < sent; {
					got += <-d.n
				}
			}
			b.StopTimer()
			_ = tx.Close()
			_ = rx.Close()
		})
	}
}

// The order of sizes is no matter.
func TestRandomSizes(t *testing.T) {
	a, b, pool := pair(t)
	s := newSink()
	b.Attach(s)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		p := frame(pool, i, 14+r.IntN(4000))
		want := contents(p)
		if n, err := a.Send([]*buffer.Packet{p}); n != 1 || err != nil {
			t.Fatalf("Send = %d, %v", n, err)
		}
		s.wait(t, func(ps []*buffer.Packet, _ []bool) bool { return len(ps) == i+1 })
		s.mu.Lock()
		got := contents(s.packets[i])
		s.mu.Unlock()
		if !bytes.Equal(got, want) {
			t.Fatalf("packet %d differs", i)
		}
	}
}
