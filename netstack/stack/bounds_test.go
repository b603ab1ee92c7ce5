package stack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
	"hull/netstack/link"
)

// fill calls add with numbers until it fails, and checks that it did so when there
// were most, with the error that it should.
func fill(t *testing.T, most int, want error, add func(i int) error) {
	t.Helper()
	for i := range most {
		if err := add(i); err != nil {
			t.Fatalf("number %d of %d: %v", i, most, err)
		}
	}
	if err := add(most); err != want {
		t.Errorf("one more than %d: %v, want %v", most, err, want)
	}
}

func addr4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// TestBounds fills what a guest can fill by calls, until there is no room.
func TestBounds(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, v *virtual, s *Stack, n *NIC){
		// The first three begin almost full: to fill them takes long.
		"interfaces": func(t *testing.T, _ *virtual, s *Stack, n *NIC) {
			was := s.nics.Load()
			list := slices.Concat(slices.Repeat([]*NIC{n}, maxNICs-len(was.list)-3), was.list)
			s.nics.Store(&nicTable{was.byIndex, was.byName, list})
			fill(t, 3, unix.ENOBUFS, func(int) error {
				_, err := s.AddNIC(NICConfig{Kind: KindDummy})
				return err
			})
			s.nics.Store(was)
		},
		"addresses": func(t *testing.T, _ *virtual, _ *Stack, n *NIC) {
			was := n.addrs4.Load()
			list := slices.Repeat(*was, maxAddrs-3)
			n.addrs4.Store(&list)
			fill(t, 3, unix.ENOBUFS, func(i int) error {
				return n.AddAddr(Addr{Prefix: netip.PrefixFrom(addr4(1<<16+i), 32)}, false)
			})
			n.addrs4.Store(was)
		},
		"ports of a bridge": func(t *testing.T, _ *virtual, s *Stack, n *NIC) {
			br, err := s.AddNIC(NICConfig{Kind: KindBridge})
			if err != nil {
				t.Fatal(err)
			}
			list := slices.Repeat([]*NIC{n}, maxPorts-3)
			br.bridge.ports.Store(&list)
			fill(t, 3, unix.EXFULL, func(int) error {
				p, err := s.AddNIC(NICConfig{Kind: KindDummy})
				if err != nil {
					return err
				}
				master := br.Index()
				return p.Change(Change{Master: &master})
			})
			br.bridge.ports.Store(nil)
		},
		"addresses that a bridge is told of": func(t *testing.T, v *virtual, s *Stack, n *NIC) {
			br, err := s.AddNIC(NICConfig{Kind: KindBridge})
			if err != nil {
				t.Fatal(err)
			}
			master := br.Index()
			if err := n.Change(Change{Master: &master}); err != nil {
				t.Fatal(err)
			}
			fill(t, maxFDB-len(br.bridge.fdb), unix.ENOSPC, func(i int) error {
				return n.AddFDB(FDBEntry{Addr: link.Address{2, 1, 0, byte(i >> 16), byte(i >> 8), byte(i)}}, true)
			})
			// Nothing is learnt any more, until what was is too old.
			now := v.Now()
			br.bridge.learn(link.Address{2, 2, 1}, n, now)
			br.bridge.learn(link.Address{2, 2, 2}, n, now+fdbAge+1)
			if br.bridge.find(link.Address{2, 2, 1}, now) != nil || br.bridge.find(link.Address{2, 2, 2}, now+fdbAge+1) == nil {
				t.Error("learnt without room, or not with it")
			}
		},
		"groups of an interface": func(t *testing.T, _ *virtual, _ *Stack, n *NIC) {
			fill(t, maxGroups-len(n.mcast.m), unix.ENOBUFS, func(i int) error {
				return n.mcast.change(netip.AddrFrom4([4]byte{239, byte(i >> 16), byte(i >> 8), byte(i)}), nil, anySource(), 0)
			})
		},
		"groups of a socket": func(t *testing.T, _ *virtual, s *Stack, n *NIC) {
			x := socket(t, s, unix.AF_INET6, unix.SOCK_DGRAM, 0)
			fill(t, maxMemberships, unix.ENOBUFS, func(i int) error {
				b := binary.NativeEndian.AppendUint32([]byte{0: 0xff, 1: 5, 14: byte(i >> 8), 15: byte(i)}, uint32(n.Index()))
				return x.SetOption(unix.SOL_IPV6, unix.IPV6_JOIN_GROUP, b, true, true)
			})
			y := socket(t, s, unix.AF_INET, unix.SOCK_DGRAM, 0)
			fill(t, 20, unix.ENOBUFS, func(i int) error { // igmp_max_memberships
				return y.SetOption(unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, mreq(fmt.Sprint("239.1.1.", i), "10.0.0.1"), true, true)
			})
			fill(t, 10, unix.ENOBUFS, func(i int) error { // igmp_max_msf
				return y.SetOption(unix.SOL_IP, unix.IP_BLOCK_SOURCE, mreq("239.1.1.1", "10.0.0.1", fmt.Sprint("10.0.0.", 100+i)), true, true)
			})
		},
		"anycast addresses of a socket": func(t *testing.T, _ *virtual, s *Stack, n *NIC) {
			x := socket(t, s, unix.AF_INET6, unix.SOCK_DGRAM, 0)
			fill(t, maxMemberships, unix.EADDRINUSE, func(i int) error {
				b := binary.NativeEndian.AppendUint32([]byte{0: 0xfd, 13: 7, 14: byte(i >> 8), 15: byte(i)}, uint32(n.Index()))
				return x.SetOption(unix.SOL_IPV6, unix.IPV6_JOIN_ANYCAST, b, true, true)
			})
		},
		"memberships of a packet socket": func(t *testing.T, _ *virtual, s *Stack, n *NIC) {
			x := socket(t, s, unix.AF_PACKET, unix.SOCK_RAW, 0)
			fill(t, maxPacketMembers, unix.ENOBUFS, func(i int) error {
				b := binary.NativeEndian.AppendUint32(nil, uint32(n.Index()))
				b = binary.NativeEndian.AppendUint16(b, unix.PACKET_MR_MULTICAST)
				return x.SetOption(solPacket, unix.PACKET_ADD_MEMBERSHIP, append(b, 6, 0, 1, 0, 94, 0, byte(i>>8), byte(i), 0, 0), true, true)
			})
		},
		"members of a fanout group": func(t *testing.T, _ *virtual, s *Stack, _ *NIC) {
			fill(t, defaultFanout, unix.ENOSPC, func(int) error {
				x := socket(t, s, unix.AF_PACKET, unix.SOCK_RAW, int(networkOrder(unix.ETH_P_IP)))
				return x.SetOption(solPacket, unix.PACKET_FANOUT, []byte{7, 0, unix.PACKET_FANOUT_LB, 0}, true, true)
			})
		},
		"a ring": func(t *testing.T, _ *virtual, s *Stack, _ *NIC) {
			x := socket(t, s, unix.AF_PACKET, unix.SOCK_RAW, 0)
			for blocks, want := range map[uint32]error{maxRing / 4096: nil, maxRing/4096 + 1: unix.ENOMEM, 1 << 20: unix.ENOMEM} {
				var req []byte
				for _, w := range []uint32{4096, blocks, 4096, blocks} {
					req = binary.NativeEndian.AppendUint32(req, w)
				}
				if _, err := x.(Ringer).ParseRing(req, false); err != want {
					t.Errorf("%d blocks: %v, want %v", blocks, err, want)
				}
			}
		},
		"flow labels": func(t *testing.T, _ *virtual, s *Stack, _ *NIC) {
			x := socket(t, s, unix.AF_INET6, unix.SOCK_DGRAM, 0).(FlowLabeler)
			lease := func(who FlowUser) func(i int) error {
				return func(int) error {
					b := make([]byte, flowRequestSize)
					b[15], b[20], b[21], b[22] = 1, flowGet, shareAny, flowCreate
					_, err := x.FlowLabel(b, who)
					return err
				}
			}
			fill(t, maxSocketLeases, unix.ENOBUFS, lease(FlowUser{UID: 1}))
			fill(t, maxLeases-maxSocketLeases, unix.ENOBUFS, lease(FlowUser{Admin: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newClock()
			s, _ := pair(t, v)
			do(t, v, s, s.NICByName("eth0"))
		})
	}
}

// TestBoundsOfWhatComes fills what peers fill by packets, or a program by sends that
// nobody acknowledges: the oldest is lost, or the newest.
func TestBoundsOfWhatComes(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	c, peer := tcpConnectedPair(t, v, a, b, unix.AF_INET, "10.0.0.2:80")
	_ = setInt(c, unix.SOL_TCP, unix.TCP_NODELAY, 1)
	write := func(n int, flags int) {
		for i := range n {
			if _, err := c.Send(strings.NewReader("x"), 1, &SendMeta{Flags: flags}); err != nil {
				t.Fatalf("send %d of %d: %v", i, n, err)
			}
		}
	}
	stamping(t, peer, tsRxSoftware|tsSoftware)
	write(maxArrivals+100, 0)
	v.advance(time.Second)
	if n := len(peer.arrivals); n != maxArrivals || peer.conn.Readable() != maxArrivals+100 {
		t.Errorf("times of %d arrivals, %d bytes", n, peer.conn.Readable())
	}
	change(t, b.NICByName("eth0"), false) // nothing is acknowledged any more
	_ = setInt(c, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1)
	write(maxZeroSends+100, unix.MSG_ZEROCOPY)
	if n := len(c.zero.list); n != maxZeroSends {
		t.Errorf("%d sends wait to be told of", n)
	}
	stamping(t, c, tsTxAck|tsSoftware)
	write(maxStreamStamps+100, 0)
	if n := len(c.stamps); n != maxStreamStamps {
		t.Errorf("%d writes have a time to come", n)
	}
	x := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0).(*udpSocket)
	stamping(t, x, tsTxSoftware|tsSoftware)
	for range 100 {
		sendTo(t, x, "x", "127.0.0.1:9")
	}
	if n := x.errs.Len(); n != dgram.MaxErrors {
		t.Errorf("%d entries in an error queue", n)
	}
	for i := range maxPMTUs + 1000 {
		a.pmtus.redirect(addr4(i), addr4(1), v.Now(), v.Now()+int64(time.Hour))
		a.tcpState.cookies.put(addr4(i), []byte("12345678"))
	}
	if n := len(a.pmtus.m); n != maxPMTUs {
		t.Errorf("%d paths are remembered", n)
	}
	if n := len(a.MetricsOf()); n != maxCookies {
		t.Errorf("%d cookies are remembered", n)
	}
	// What a router asks about a group, until it is answered.
	group := netip.MustParseAddr("239.1.1.1")
	y := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.SetOption(unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, mreq("239.1.1.1", "10.0.0.1"), false, false); err != nil {
		t.Fatal(err)
	}
	g := &a.NICByName("eth0").mcast
	for i := range 20 {
		var asked []netip.Addr
		for k := range 100 {
			asked = append(asked, addr4(i*100+k))
		}
		g.queried(v.Now(), 3, group, asked, int64(time.Hour))
	}
	if n := len(g.m[group].asked); n != 256 {
		t.Errorf("%d sources are to be answered for", n)
	}
}

// TestBoundsBetween: packets between a stack's own links, and changes to be told,
// that come while the ones before are under way.
func TestBoundsBetween(t *testing.T) {
	v := newClock()
	s := testStack(t, v)
	lo, q := s.NIC(1), &s.backlog
	q.active = true // somebody else delivers, and does not get on
	for name, c := range map[string]struct{ size, most int }{
		"small": {100, int(s.tune(tCoreNetdevMaxBacklog)) * backlogFactor},
		"large": {buffer.LargeChunk, (backlogBytes + buffer.LargeChunk - 1) / buffer.LargeChunk},
	} {
		dropped := lo.stats.rxDropped.Load()
		for range c.most + 10 {
			chunk := s.cfg.Pool.Get(c.size)
			q.put(lo, []*buffer.Packet{s.cfg.Pool.Received(buffer.NewView(chunk, 0, c.size))})
		}
		if n := len(q.queue.ps); n != c.most || lo.stats.rxDropped.Load() != dropped+10 {
			t.Errorf("%s packets: %d wait, %d were dropped", name, n, lo.stats.rxDropped.Load()-dropped)
		}
		release(q.queue.ps)
		q.queue = backlogQueue{}
	}
	q.active = false
	defer s.Watch(func(Event) {})()
	s.watch.active = true
	for range maxEvents + 100 {
		s.notify(Event{})
	}
	if n := len(s.watch.queue); n != maxEvents {
		t.Errorf("%d events wait", n)
	}
	s.watch.queue, s.watch.active = nil, false
}
