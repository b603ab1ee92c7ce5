package tcp

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"

	"hull/netstack/buffer"
	"hull/netstack/header"
)

// Secrets are what initial sequence numbers, time stamps and cookies are made with
// (RFC 6528, RFC 7413 section 4.1.2). It is safe for concurrent use.
type Secrets struct {
	key      [32]byte
	fastOpen atomic.Pointer[[16]byte]
	conns    sync.Pool // of *Conn, for what is answered with a cookie and not kept
}

// NewSecrets takes 48 bytes that nobody can guess from random.
func NewSecrets(random func([]byte)) *Secrets {
	s := &Secrets{}
	random(s.key[:])
	var k [16]byte
	random(k[:])
	s.fastOpen.Store(&k)
	return s
}

// SetFastOpenKey is tcp_fastopen_key.
func (s *Secrets) SetFastOpenKey(k [16]byte) { s.fastOpen.Store(&k) }

// FastOpenKey returns it.
func (s *Secrets) FastOpenKey() [16]byte { return *s.fastOpen.Load() }

// mac is 8 bytes of a keyed hash of two addresses and numbers.
func (s *Secrets) mac(what byte, local, remote netip.AddrPort, x uint64) uint64 {
	var b [32 + 1 + 36 + 8]byte
	copy(b[:], s.key[:])
	b[32] = what
	l, r := local.Addr().As16(), remote.Addr().As16()
	copy(b[33:], l[:])
	copy(b[49:], r[:])
	binary.BigEndian.PutUint16(b[65:], local.Port())
	binary.BigEndian.PutUint16(b[67:], remote.Port())
	binary.BigEndian.PutUint64(b[69:], x)
	h := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(h[:])
}

// ISS is the initial sequence number of a connection (RFC 6528): a clock of 4
// microseconds, from a beginning that differs by the addresses.
func (s *Secrets) ISS(now int64, local, remote netip.AddrPort) uint32 {
	return uint32(s.mac(1, local, remote, 0)) + uint32(now>>12)
}

// TSOffset is the beginning of the time stamps' clock for a pair of addresses (RFC
// 7323 section 5.4: it must not go back from one connection to the next).
func (s *Secrets) TSOffset(local, remote netip.Addr) uint32 {
	return uint32(s.mac(2, netip.AddrPortFrom(local, 0), netip.AddrPortFrom(remote, 0), 0))
}

// PortOffset is where the search for an ephemeral port begins (RFC 6056 section
// 3.3.3).
func (s *Secrets) PortOffset(local, remote netip.AddrPort) uint32 {
	return uint32(s.mac(3, local, remote, 0))
}

// FastOpenCookie is the cookie of a client's address by a key.
func (s *Secrets) FastOpenCookie(k [16]byte, local, remote netip.Addr) []byte {
	m := s.mac(4, netip.AddrPortFrom(local, 0), netip.AddrPortFrom(remote, 0),
		binary.BigEndian.Uint64(k[:])^binary.BigEndian.Uint64(k[8:]))
	return binary.BigEndian.AppendUint64(nil, m)
}

// A SYN cookie is an initial sequence number that holds what a listener would
// have kept of the SYN:
//
//	31..27  minutes, of 64 seconds, modulo 32
//	26..24  index of the MSS
//	23..0   MAC of addresses, ports, the peer's number and the minute
//
// What else was agreed on is in the low bits of the time stamp, if there are any:
//
//	3..0  the peer's scale, 15: none
//	4     SACK
//	5     ECN
const (
	cookieMinute = 64e9
	cookieTSBits = 6
)

// cookieMSS are the sizes that a cookie can hold.
func cookieMSS() [8]uint16 { return [8]uint16{216, 536, 940, 1220, 1300, 1440, 1460, 8960} }

func (s *Secrets) cookie(minute int64, local, remote netip.AddrPort, irs uint32, mss int) uint32 {
	m := s.mac(5, local, remote, uint64(irs)<<32|uint64(minute)<<3|uint64(mss))
	return uint32(minute&31)<<27 | uint32(mss)<<24 | uint32(m)&0xffffff
}

// CookieSynAck answers a SYN without keeping anything. mss is what we offer.
func (s *Secrets) CookieSynAck(cfg *Config, now int64, seg *Segment, local, remote netip.AddrPort) *buffer.Packet {
	c, ok := s.conns.Get().(*Conn)
	if !ok {
		c = &Conn{}
	}
	defer s.conns.Put(c)
	c.init(*cfg, now)
	c.passive = true
	c.takeSyn(now, seg)
	c.ecnAccept(seg)
	c.startWindow()
	i := 0
	for k, v := range cookieMSS() {
		if int(v) <= c.peerMSS {
			i = k
		}
	}
	iss := s.cookie(now/cookieMinute, local, remote, seg.Seq, i)
	c.iss = initial(iss)
	o := c.synOptions(now, true)
	if o.HasTS {
		bits := uint32(15)
		if c.hasWS {
			bits = uint32(c.sndScale)
		}
		if c.hasSACK {
			bits |= 1 << 4
		}
		if c.ecn.ok {
			bits |= 1 << 5
		}
		v := o.TSVal&^(1<<cookieTSBits-1) | bits
		if int32(v-o.TSVal) > 0 {
			v -= 1 << cookieTSBits
		}
		o.TSVal = v
	} else {
		o.SACKPermitted, o.HasWScale = false, false
		c.rcvScale, c.ecn.ok = 0, false
	}
	c.emit(now, c.iss, header.SYN|header.ACK|c.ecn.onSynAck(c), 0, 0, &o)
	return c.Take()[0].Packet
}

// AcceptCookie makes a connection of the acknowledgment of a cookie, in
// SYN-RECEIVED: Input of the same segment completes it. ok is false if it is none,
// or one of more than two minutes ago.
func (s *Secrets) AcceptCookie(cfg Config, now int64, seg *Segment, local, remote netip.AddrPort) (c *Conn, ok bool) {
	v := seg.Ack - 1
	irs := seg.Seq - 1
	i := int(v >> 24 & 7)
	minute := now / cookieMinute
	age := (minute - int64(v>>27)) & 31
	if age > 1 || s.cookie(minute-age, local, remote, irs, i) != v {
		return nil, false
	}
	syn := Segment{Seq: irs, Flags: header.SYN, Window: seg.Window}
	syn.Opt.MSS, syn.Opt.HasMSS = cookieMSS()[i], true
	if seg.Opt.HasTS {
		bits := (seg.Opt.TSEcr) & (1<<cookieTSBits - 1)
		syn.Opt.HasTS, syn.Opt.TSVal = true, seg.Opt.TSVal
		syn.Opt.SACKPermitted = bits&(1<<4) != 0
		if w := uint8(bits & 15); w <= header.TCPMaxWScale {
			syn.Opt.HasWScale, syn.Opt.WScale = true, w
		}
		if bits&(1<<5) != 0 {
			syn.Flags |= header.ECE | header.CWR
		}
	}
	cfg.ISS = v
	c = newConn(cfg, now)
	c.passive = true
	c.state = SynReceived
	c.takeSyn(now, &syn)
	c.ecnAccept(&syn)
	c.startWindow()
	c.nxt = c.iss + 1
	c.rtt.synAgain = true // nobody knows when it left
	return c, true
}
