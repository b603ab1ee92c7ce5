package hostinet

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

func TestOptions(t *testing.T) {
	w := newWorld(t, 100)
	s := w.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	one := socket.IntValue(1)
	for _, c := range []struct {
		level, name int32
		want        error
	}{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, nil},
		{unix.SOL_TCP, unix.TCP_NODELAY, nil},
		{unix.SOL_SOCKET, unix.SO_MARK, unix.EPERM},
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, unix.EPERM},
		{unix.SOL_SOCKET, unix.SO_DEBUG, unix.EACCES},
		{unix.SOL_SOCKET, unix.SO_PASSCRED, unix.EOPNOTSUPP},
		{unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, unix.ENOPROTOOPT},
		{unix.SOL_SOCKET, unix.SO_ATTACH_BPF, unix.ENOPROTOOPT},
		{unix.SOL_SOCKET, unix.SO_ZEROCOPY, unix.ENOPROTOOPT},
		{unix.SOL_TCP, unix.TCP_ULP, unix.ENOPROTOOPT},
		{unix.SOL_TCP, unix.TCP_REPAIR, unix.ENOPROTOOPT},
		{unix.SOL_IP, 64, unix.ENOPROTOOPT}, // IPT_SO_SET_REPLACE
		{-1, -1, unix.ENOPROTOOPT},
	} {
		if err := s.SetOption(w.task, c.level, c.name, one); err != c.want {
			t.Errorf("set %d, %d: %v, want %v", c.level, c.name, err, c.want)
		}
		_, err := s.Option(w.task, c.level, c.name, 4)
		if c.want == unix.ENOPROTOOPT && err != unix.ENOPROTOOPT && err != unix.EOPNOTSUPP {
			t.Errorf("get %d, %d: %v", c.level, c.name, err)
		}
	}
	if v, err := s.Option(w.task, unix.SOL_TCP, unix.TCP_NODELAY, 4); err != nil || string(v) != string(one) {
		t.Errorf("TCP_NODELAY % x, %v", v, err)
	}
	if v, err := s.Option(w.task, unix.SOL_TCP, unix.TCP_INFO, 1<<30); err != nil || len(v) < 100 || v[0] != 7 {
		t.Errorf("TCP_INFO % x, %v", v, err)
	}
	is(t, "set of too little", s.SetOption(w.task, unix.SOL_SOCKET, unix.SO_KEEPALIVE, nil), unix.EINVAL)
	ok(t, s.SetOption(w.task, unix.SOL_SOCKET, unix.SO_RCVLOWAT, socket.IntValue(7)))
	if s.LowWater() != 7 {
		t.Errorf("low water %d", s.LowWater())
	}
	// Times are kept here: the host does not wait.
	ok(t, s.SetOption(w.task, unix.SOL_SOCKET, unix.SO_RCVTIMEO, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 9), 0)))
	if d := time.Until(s.Deadline(false)); d < 5*time.Second || d > 9*time.Second {
		t.Errorf("deadline in %v", d)
	}
	d := w.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	_, err := d.Option(w.task, unix.SOL_TCP, unix.TCP_INFO, 4)
	is(t, "TCP_INFO of a datagram socket", err, unix.EOPNOTSUPP)
}

// Each option of the table is one that some socket of the host has.
func TestTable(t *testing.T) {
	w := newWorld(t, 100)
	socks := []*Sock{w.socket(unix.AF_INET, unix.SOCK_STREAM, 0), w.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)}
	if s, err := w.n.Family(unix.AF_INET6).Socket(w.task, unix.SOCK_STREAM, 0); err == nil {
		w.Cleanup(func() { s.Release(w.task, nil) })
		socks = append(socks, s.(*Sock), w.socket(unix.AF_INET6, unix.SOCK_DGRAM, 0))
	}
	seen := map[[2]int32]bool{}
	for _, o := range Options() {
		if seen[[2]int32{o.Level, o.Name}] {
			t.Errorf("%d, %d is there twice", o.Level, o.Name)
		}
		seen[[2]int32{o.Level, o.Name}] = true
		if !o.Get || len(socks) < 4 && o.Level == unix.SOL_IPV6 {
			continue
		}
		known := false
		for _, s := range socks {
			_, err := s.Option(w.task, o.Level, o.Name, 256)
			known = known || err != unix.ENOPROTOOPT && err != unix.EOPNOTSUPP
		}
		if !known && o.Name != ipLocalPortRange && o.Name != tcpTxDelay { // younger than some hosts
			t.Errorf("no socket of the host has %d, %d", o.Level, o.Name)
		}
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t, 100)
	free := w.bound(unix.SOCK_STREAM) // bound, and nobody listens
	c := w.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	err := c.Connect(w.task, loopback4(portOf(t, free)))
	if err == unix.EINPROGRESS {
		err = w.until(c, wait.Writable, func() error {
			if c.Readiness(wait.Writable) == 0 {
				return unix.EAGAIN
			}
			return c.Connect(w.task, loopback4(portOf(t, free)))
		})
	}
	is(t, "connect", err, unix.ECONNREFUSED)
	if v, err := c.Option(w.task, unix.SOL_SOCKET, unix.SO_ERROR, 4); err != nil || string(v) != string(socket.IntValue(0)) {
		t.Errorf("SO_ERROR after it was told: % x, %v", v, err)
	}
}

func TestControl(t *testing.T) {
	w := newWorld(t, 100)
	a, b := w.bound(unix.SOCK_DGRAM), w.bound(unix.SOCK_DGRAM)
	ok(t, a.Connect(w.task, loopback4(portOf(t, b))))
	ok(t, b.SetOption(w.task, unix.SOL_IP, unix.IP_RECVTTL, socket.IntValue(1)))
	ok(t, b.SetOption(w.task, unix.SOL_IP, unix.IP_PKTINFO, socket.IntValue(1)))
	send := func(items ...socket.Item) error {
		_, err := a.Send(w.task, usermem.BytesBuffer([]byte("x")), &socket.Message{Control: socket.Control{Items: items}})
		return err
	}
	ok(t, send(
		socket.Item{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS, Data: socket.IntValue(0)}, // means nothing
		socket.Item{Level: unix.SOL_IP, Type: unix.IP_TTL, Data: socket.IntValue(17)},
		socket.Item{Level: 999, Type: 1, Data: make([]byte, 3)},
	))
	m := &socket.Message{}
	if _, err := w.recv(b, m, 10); err != nil {
		t.Fatal(err)
	}
	ttl, info := int32(0), false
	for _, i := range m.Items {
		if i.Level == unix.SOL_IP && i.Type == unix.IP_TTL {
			ttl, _ = socket.Int(i.Data)
		}
		info = info || i.Level == unix.SOL_IP && i.Type == unix.IP_PKTINFO && len(i.Data) == 12
	}
	if ttl != 17 || !info {
		t.Errorf("control data %+v", m.Items)
	}
	is(t, "an unknown item", send(socket.Item{Level: unix.SOL_IP, Type: 77}), unix.EINVAL)
	is(t, "a mark", send(socket.Item{Level: unix.SOL_SOCKET, Type: soMark, Data: socket.IntValue(1)}), unix.EPERM)
	is(t, "too much", send(socket.Item{Level: unix.SOL_IP, Type: unix.IP_RETOPTS, Data: make([]byte, 1000)}), unix.ENOBUFS)
}

// What an ICMP error says comes by the queue for errors.
func TestErrorQueue(t *testing.T) {
	w := newWorld(t, 100)
	a := w.bound(unix.SOCK_DGRAM)
	gone, err := w.n.Family(unix.AF_INET).Socket(w.task, unix.SOCK_DGRAM, 0)
	ok(t, err)
	ok(t, gone.Bind(w.task, loopback4(0)))
	port := portOf(t, gone.(*Sock))
	gone.Release(w.task, nil)
	ok(t, a.SetOption(w.task, unix.SOL_IP, unix.IP_RECVERR, socket.IntValue(1)))
	_, err = a.Send(w.task, usermem.BytesBuffer([]byte("lost")), &socket.Message{Addr: loopback4(port)})
	ok(t, err)
	m := &socket.Message{Flags: unix.MSG_ERRQUEUE}
	text, err := w.recv(a, m, 10)
	if text != "lost" || err != nil || m.Flags&unix.MSG_ERRQUEUE == 0 {
		t.Fatalf("%q, %v, flags %#x", text, err, m.Flags)
	}
	if len(m.Items) != 1 || m.Items[0].Type != unix.IP_RECVERR || binary.LittleEndian.Uint32(m.Items[0].Data) != uint32(unix.ECONNREFUSED) {
		t.Errorf("control data %+v", m.Items)
	}
	if binary.BigEndian.Uint16(m.Addr[2:]) != port {
		t.Errorf("about % x", m.Addr)
	}
}

func TestIoctl(t *testing.T) {
	w := newWorld(t, 100)
	c, s := w.pair()
	w.send(c, "seven b")
	if err := w.until(s, wait.Readable, func() error {
		if s.Readiness(wait.In) == 0 {
			return unix.EAGAIN
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Ioctl(w.task, nil, unix.TIOCINQ, 64)
	ok(t, err)
	if n, err := usermem.In[int32](w.task.Mem(), 64); n != 7 || err != nil {
		t.Errorf("FIONREAD %d, %v", n, err)
	}
	_, err = s.Ioctl(w.task, nil, unix.SIOCSIFFLAGS, 64)
	is(t, "an ioctl about interfaces", err, unix.ENOTTY)
	_, err = w.bound(unix.SOCK_DGRAM).Ioctl(w.task, nil, siocGStamp, 64)
	is(t, "a time before there was a datagram", err, unix.ENOENT)
}

// Whatever a guest says beside a message, the host is told what is listed, or
// nothing.
func FuzzSend(f *testing.F) {
	f.Add(int32(unix.SOL_IP), int32(unix.IP_TTL), []byte{9, 0, 0, 0}, loopback4(9), int32(0))
	f.Add(int32(unix.SOL_SOCKET), int32(unix.SCM_RIGHTS), []byte{1, 0, 0, 0}, []byte{}, int32(unix.MSG_MORE))
	f.Add(int32(unix.SOL_UDP), int32(udpSegment), []byte{1, 0}, loopback4(0), int32(-1))
	f.Fuzz(func(t *testing.T, level, typ int32, data, addr []byte, flags int32) {
		w := newWorld(t, 4)
		s := w.bound(unix.SOCK_DGRAM)
		ok(t, s.SetOption(w.task, unix.SOL_SOCKET, unix.SO_DONTROUTE, socket.IntValue(1)))
		m := &socket.Message{Flags: flags, Addr: addr, Control: socket.Control{Items: []socket.Item{{Level: level, Type: typ, Data: data}}}}
		if len(addr) >= 8 && addr[4] != 127 {
			m.Addr = nil // what is sent stays here
		}
		_, _ = s.Send(w.task, usermem.BytesBuffer([]byte("x")), m)
		_ = s.SetOption(w.task, level, typ, data)
		_, _ = s.Option(w.task, level, typ, len(data))
	})
}
