package tcp

import (
	"testing"
	"time"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// FuzzConn feeds a connection segments near its windows, time, writes and reads, as
// the input says. It must not panic, keep more than its bounds, nor take its
// numbers back.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{1, 16, 0, 10, 0, 0, 5, 2, 200, 3, 100, 6, 1, 17, 0, 0, 0, 0, 0})
	f.Add([]byte("\x01\x12\x00\x00\x01\x00\x00\x01\x10\x04\x00\x01\x00\x00\x02\xff\x04\x00\x05\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		fuzzConn(t, in)
	})
}

// script reads the fuzzer's bytes; at their end it gives zeros.
type script struct{ b []byte }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

// near is a sequence number near one of some, as a signed byte scaled says.
func (s *script) near(of ...int64) uint32 {
	v := s.byte()
	scale := [4]int64{1, 100, 1000, 70000}[v&3]
	return uint32(of[int(v>>2)%len(of)] + int64(int8(s.byte()))*scale)
}

func fuzzConn(t *testing.T, in []byte) {
	s := &script{in}
	tun := Defaults()
	first := s.byte()
	tun.SACK, tun.Timestamps, tun.ECN = first&1 == 0, int(first>>1&1), int(first>>2&3%3)
	cfg := Config{Pool: &buffer.Pool{}, Tun: tun, Counters: &Counters{}, SrcPort: 1, DstPort: 2, ISS: uint32(first) << 24, MTU: 1500,
		Overhead: 20, Congestion: NewCongestion(Congestions()[int(first>>4)%3])}
	if first&8 != 0 {
		cfg.MaxGSO = 60000
	}
	now := int64(1e9)
	var c *Conn
	if first&128 != 0 {
		syn := Segment{Seq: 5000, Flags: header.SYN | header.ECE | header.CWR, Window: 65535}
		syn.Opt = header.TCPOptions{HasMSS: true, MSS: uint16(s.byte()) << 4, SACKPermitted: true, HasTS: true, TSVal: 1, HasWScale: true, WScale: s.byte()}
		if s.byte()&1 != 0 {
			syn.Opt.WScale &= 7
		}
		syn.Opt.WScale = min(syn.Opt.WScale, header.TCPMaxWScale)
		c = Accept(cfg, now, &syn)
	} else {
		c = Connect(cfg, now)
		c.Start(now)
	}
	una, nxt, rcvNxt := c.una, c.nxt, c.rcvNxt
	for len(s.b) > 0 {
		now = fuzzStep(c, s, now)
		for _, o := range c.Take() {
			if h := header.TCP(o.Packet.Head()); !h.Valid(o.Packet.Len()) {
				t.Fatalf("a malformed segment: % x", []byte(h))
			}
			o.Packet.Release()
		}
		if err := c.sane(); err != nil {
			t.Fatal(err)
		}
		if c.una < una || c.nxt < nxt || c.rcvNxt < rcvNxt && rcvNxt != 0 {
			t.Fatalf("una %d → %d, nxt %d → %d, rcvNxt %d → %d", una, c.una, nxt, c.nxt, rcvNxt, c.rcvNxt)
		}
		una, nxt, rcvNxt = c.una, c.nxt, c.rcvNxt
		if d := c.Deadline(); c.state == Closed && d != 0 {
			t.Fatalf("a timer runs after the end")
		}
		if len(c.ooo.ranges) > maxRanges || c.board.len() > 1<<16 {
			t.Fatalf("%d ranges, %d records", len(c.ooo.ranges), c.board.len())
		}
	}
	c.Release()
}

// fuzzStep runs one event.
func fuzzStep(c *Conn, s *script, now int64) int64 {
	pool := c.cfg.Pool
	switch op := s.byte(); op % 8 {
	case 0:
		now += int64(s.byte()) * int64(10*time.Millisecond)
		if d := c.Deadline(); d != 0 && d <= now {
			c.Timer(now)
		}
	case 1, 2, 3:
		seg := Segment{Flags: header.TCPFlags(s.byte()) | header.ACK, Window: uint16(s.byte()) << (op >> 5)}
		if op&8 != 0 {
			seg.Flags &= header.ACK | header.PSH
		}
		seg.Seq, seg.Ack = s.near(c.rcvNxt, c.rcvNxt+c.rcvWnd, c.irs), s.near(c.una, c.nxt, c.end)
		if c.hasTS {
			seg.Opt.HasTS, seg.Opt.TSVal, seg.Opt.TSEcr = op&16 == 0, c.tsRecent+uint32(s.byte()&3), c.clock(now)-uint32(s.byte())
		}
		if op&32 != 0 {
			n := int(s.byte()) * 11
			seg.Data, seg.Len = pool.CopyIn(make([]byte, n)), n
		}
		if op&64 != 0 {
			seg.Opt.NSACK = 1 + int(op>>7)
			for i := range seg.Opt.NSACK {
				seg.Opt.SACK[i] = header.SACKBlock{Start: s.near(c.una, c.nxt), End: s.near(c.una, c.nxt)}
			}
		}
		if seg.Flags&header.URG != 0 {
			seg.Urgent = uint16(s.byte())
		}
		seg.CE = op == 255
		c.Input(now, &seg)
	case 4:
		if c.Space() > 0 {
			c.Write(now, pool.CopyIn(make([]byte, 1+int(s.byte())*20)), op&16 != 0, op&32 != 0)
		}
	case 5:
		vs, next := c.Read(nil, 0, int64(s.byte())*50)
		release(vs)
		c.Consume(now, next)
	case 6:
		switch op >> 3 {
		case 0, 1:
			c.CloseWrite(now)
		case 2:
			c.Close(now)
		case 3:
			c.Path(now, 100+int(s.byte())*8, c.cfg.MaxGSO, false, 0)
		case 4:
			c.SetBuffers(now, 0, 2304+int(s.byte())*1000)
		case 5:
			c.SetCongestion(now, NewCongestion(Congestions()[int(s.byte())%3]))
		default:
			o := c.Options()
			o.NoDelay, o.Cork, o.KeepAlive = op&8 != 0, op&16 != 0, op&32 != 0
			o.MaxPacing = int64(s.byte()) * 10000
			c.SetOptions(now, o)
		}
	case 7:
		if d := c.Deadline(); d != 0 {
			now = max(now, d)
			c.Timer(now)
		}
	}
	return now
}

// FuzzPair has two engines talk over a link that misbehaves as the input says: what
// is read is what was written.
func FuzzPair(f *testing.F) {
	f.Add(uint64(1), uint8(10), uint8(10), uint8(10), uint8(0))
	f.Add(uint64(2), uint8(0), uint8(0), uint8(0), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, loss, dup, reorder, flags uint8) {
		p := newPair(t, seed, func(i int, c *Config) {
			c.Tun.Retries2, c.Tun.SynRetries, c.Tun.SynAckRetries = 100, 100, 100
			c.Tun.SACK, c.Tun.Timestamps, c.Tun.WindowScaling = flags&1 == 0, int(flags>>1&1), flags&4 == 0
			if flags&8 != 0 {
				c.MaxGSO = 60000
			}
			c.Tun.Congestion = Congestions()[int(flags>>4)%3]
			if flags&64 != 0 {
				c.RcvBuf, c.RcvLocked = 8000, true
			}
			c.Opt.NoDelay = flags&128 != 0
		})
		p.loss, p.dup, p.reorder = float64(loss%77)/256, float64(dup%64)/256, float64(reorder%128)/256
		p.transfer([2]int64{60000, 30000}, 50000e9)
	})
}
