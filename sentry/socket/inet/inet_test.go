package inet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/dgram"
	"hull/netstack/stack"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// in4 and in6 are addresses as guests write them.
func in4(s string) []byte { return appendIn(nil, netip.MustParseAddrPort(s)) }
func in6(s string, scope int) []byte {
	return appendIn6(nil, &stack.Address{AddrPort: netip.MustParseAddrPort(s), Scope: scope})
}

func as(b []byte, f byte) []byte {
	b = bytes.Clone(b)
	b[0] = f
	return b
}

func TestAddresses(t *testing.T) {
	four, six := in4("127.0.0.1:80"), in6("[::1]:80", 3)
	for _, c := range []struct {
		name   string
		family int
		typ    int
		what   string
		addr   []byte
		want   string // of the address that the stack got, or an errno's
	}{
		{"bind", unix.AF_INET, unix.SOCK_STREAM, "bind", four, "127.0.0.1:80"},
		{"bind short", unix.AF_INET, unix.SOCK_STREAM, "bind", four[:15], "EINVAL"},
		{"bind other family", unix.AF_INET, unix.SOCK_STREAM, "bind", as(four, unix.AF_INET6), "EAFNOSUPPORT"},
		{"bind unspec", unix.AF_INET, unix.SOCK_STREAM, "bind", as(four, 0), "EAFNOSUPPORT"},
		{"bind unspec any", unix.AF_INET, unix.SOCK_STREAM, "bind", as(in4("0.0.0.0:1"), 0), "0.0.0.0:1"},
		{"bind 6", unix.AF_INET6, unix.SOCK_STREAM, "bind", six, "[::1]:80"},
		{"bind 6 without scope", unix.AF_INET6, unix.SOCK_STREAM, "bind", six[:24], "[::1]:80"},
		{"bind 6 short", unix.AF_INET6, unix.SOCK_STREAM, "bind", six[:23], "EINVAL"},
		{"bind 6 to 4", unix.AF_INET6, unix.SOCK_STREAM, "bind", append(four, 0, 0, 0, 0, 0, 0, 0, 0), "EAFNOSUPPORT"},
		{"connect", unix.AF_INET, unix.SOCK_STREAM, "connect", four, "127.0.0.1:80"},
		{"connect nothing", unix.AF_INET, unix.SOCK_STREAM, "connect", nil, "EINVAL"},
		{"connect 6 stream to 4", unix.AF_INET6, unix.SOCK_STREAM, "connect", append(four, make([]byte, 8)...), "EAFNOSUPPORT"},
		{"connect 6 datagram to 4", unix.AF_INET6, unix.SOCK_DGRAM, "connect", four, "[::ffff:127.0.0.1]:80"},
		{"send", unix.AF_INET, unix.SOCK_DGRAM, "send", four, "127.0.0.1:80"},
		{"send unspec", unix.AF_INET, unix.SOCK_DGRAM, "send", as(four, 0), "127.0.0.1:80"},
		{"send 6 to 4", unix.AF_INET6, unix.SOCK_DGRAM, "send", four, "[::ffff:127.0.0.1]:80"},
		{"send 6 unspec", unix.AF_INET6, unix.SOCK_DGRAM, "send", as(six, 0), "none"},
		{"send 6 other", unix.AF_INET6, unix.SOCK_DGRAM, "send", as(six, 1), "EINVAL"},
		{"stream ignores it", unix.AF_INET, unix.SOCK_STREAM, "send", four[:3], "none"},
	} {
		s, f, task := made(t, c.family, c.typ)
		var err error
		var got stack.Address
		switch c.what {
		case "bind":
			err = s.Bind(task, c.addr)
			got = f.bound
		case "connect":
			err = s.Connect(task, c.addr)
			got = f.peer
		case "send":
			m := &socket.Message{Addr: c.addr}
			_, err = s.Send(task, usermem.BytesBuffer([]byte("x")), m)
			if f.meta.To != nil {
				got = *f.meta.To
			}
		}
		text := "none"
		if got.IsValid() {
			text = got.AddrPort.String()
		}
		if err != nil {
			text = unix.ErrnoName(err.(unix.Errno))
		}
		if text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
	s, f, task := made(t, unix.AF_INET, unix.SOCK_STREAM)
	if err := s.Connect(task, []byte{0, 0}); err != nil || !f.peer.Unspec {
		t.Errorf("connect with AF_UNSPEC: %v, %+v", err, f.peer)
	}
	f.bound = stack.Address{AddrPort: netip.MustParseAddrPort("10.0.0.1:5")}
	if b, err := s.Name(false); err != nil || !bytes.Equal(b, in4("10.0.0.1:5")) {
		t.Errorf("name %x %v", b, err)
	}
}

func TestPacketAddresses(t *testing.T) {
	s, f, task := made(t, unix.AF_PACKET, unix.SOCK_RAW)
	b := []byte{unix.AF_PACKET, 0, 0x08, 0x00, 2, 0, 0, 0, 1, 0, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0}
	if err := s.Bind(task, b); err != nil || f.bound.Scope != 2 || f.bound.Link.Protocol != 0x800 {
		t.Fatalf("bind: %v, %+v", err, f.bound)
	}
	if name, err := s.Name(false); err != nil || !bytes.Equal(name, b[:18]) {
		t.Errorf("name %x, %v", name, err)
	}
	f.give, f.in = []byte("frame"), stack.RecvMeta{From: f.bound, HasFrom: true}
	var m socket.Message
	if _, err := s.Recv(task, usermem.BytesBuffer(make([]byte, 10)), &m); err != nil || !bytes.Equal(m.Addr, b) {
		t.Errorf("from %x, %v", m.Addr, err)
	}
	long := bytes.Clone(b)
	long[11] = 200 // more than there is
	if err := s.Bind(task, long); err != unix.EINVAL {
		t.Errorf("an address that is too long: %v", err)
	}
	if err := s.Bind(task, b[:19]); err != unix.EINVAL {
		t.Errorf("short: %v", err)
	}
}

// find returns an item's data.
func find(t *testing.T, m *socket.Message, level, typ int32) []byte {
	t.Helper()
	for _, i := range m.Items {
		if i.Level == level && i.Type == typ {
			return i.Data
		}
	}
	t.Errorf("no item %d, %d in %v", level, typ, m.Items)
	return nil
}

func TestReceivedControl(t *testing.T) {
	s, f, task := made(t, unix.AF_INET, unix.SOCK_DGRAM)
	at := time.Unix(1000, 2000)
	f.give = []byte("abc")
	f.in = stack.RecvMeta{Flags: unix.MSG_TRUNC, Full: 9, Received: at,
		Control: stack.WantPktInfo | stack.WantTTL | stack.WantTOS | stack.WantOrigDst | stack.WantTimeNS | stack.WantSegment,
		Msg:     &dgram.Message{To: netip.MustParseAddrPort("10.0.0.2:53"), IIF: 4, TTL: 61, TOS: 8, Segment: 100}}
	m := socket.Message{Flags: unix.MSG_TRUNC}
	n, err := s.Recv(task, usermem.BytesBuffer(make([]byte, 3)), &m)
	if n != 9 || err != nil || m.Flags != unix.MSG_TRUNC {
		t.Fatalf("%d, %v, flags %x", n, err, m.Flags)
	}
	for _, c := range []struct {
		level, typ int32
		want       []byte
	}{
		{unix.SOL_IP, unix.IP_PKTINFO, []byte{4, 0, 0, 0, 10, 0, 0, 2, 10, 0, 0, 2}},
		{unix.SOL_IP, unix.IP_TTL, []byte{61, 0, 0, 0}},
		{unix.SOL_IP, unix.IP_TOS, []byte{8}},
		{unix.SOL_IP, unix.IP_ORIGDSTADDR, in4("10.0.0.2:53")},
		{unix.SOL_UDP, udpGRO, []byte{100, 0, 0, 0}},
		{unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 1000), 2000)},
	} {
		if got := find(t, &m, c.level, c.typ); !bytes.Equal(got, c.want) {
			t.Errorf("%d, %d: %x, want %x", c.level, c.typ, got, c.want)
		}
	}
	// When it arrived is told by SIOCGSTAMP where a message does not.
	if _, err := s.Ioctl(task, nil, siocgstampns, 0); err != unix.ENOENT {
		t.Errorf("SIOCGSTAMPNS: %v", err)
	}
	f.give, f.in = []byte("abc"), stack.RecvMeta{Received: at}
	if _, err := s.Recv(task, usermem.BytesBuffer(make([]byte, 3)), &socket.Message{}); err != nil {
		t.Fatal(err)
	}
	task.Memory.(usermem.Bytes)[0] = 0
	if _, err := s.Ioctl(task, nil, siocgstampns, 0); err != nil || binary.LittleEndian.Uint64(task.Memory.(usermem.Bytes)) != 1000 {
		t.Errorf("SIOCGSTAMPNS: %v", err)
	}
	// The error queue.
	f.in = stack.RecvMeta{Flags: unix.MSG_ERRQUEUE, Err: &dgram.Error{Errno: unix.ECONNREFUSED, Origin: dgram.OriginICMP, Type: 3, Code: 3,
		Offender: netip.MustParseAddr("10.0.0.9")}}
	m = socket.Message{Flags: unix.MSG_ERRQUEUE}
	if _, err := s.Recv(task, usermem.BytesBuffer(make([]byte, 3)), &m); err != nil {
		t.Fatal(err)
	}
	want := append([]byte{byte(unix.ECONNREFUSED), 0, 0, 0, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}, in4("10.0.0.9:0")...)
	if got := find(t, &m, unix.SOL_IP, unix.IP_RECVERR); !bytes.Equal(got, want) {
		t.Errorf("error %x, want %x", got, want)
	}
}

func TestSentControl(t *testing.T) {
	word := func(v int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
	for _, c := range []struct {
		family, typ int
		item        socket.Item
		want        error
		check       func(m *stack.SendMeta) bool
	}{
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IP, Type: unix.IP_TTL, Data: word(9)}, nil, func(m *stack.SendMeta) bool { return m.HasTTL && m.TTL == 9 }},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IP, Type: unix.IP_TTL, Data: word(0)}, unix.EINVAL, nil},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IP, Type: unix.IP_TOS, Data: []byte{3}}, nil, func(m *stack.SendMeta) bool { return m.HasTOS && m.TOS == 3 }},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IP, Type: unix.IP_PKTINFO, Data: []byte{2, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0}}, nil,
			func(m *stack.SendMeta) bool { return m.IIF == 2 && m.Source == netip.MustParseAddr("10.0.0.1") }},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IP, Type: 99, Data: word(1)}, unix.EINVAL, nil},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: 99, Type: 99, Data: word(1)}, nil, func(*stack.SendMeta) bool { return true }},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_UDP, Type: udpSegment, Data: []byte{0, 4}}, nil, func(m *stack.SendMeta) bool { return m.Segment == 1024 }},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS, Data: word(1)}, nil, func(*stack.SendMeta) bool { return true }},
		{unix.AF_INET, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_SOCKET, Type: 99, Data: word(1)}, unix.EINVAL, nil},
		{unix.AF_INET, unix.SOCK_STREAM, socket.Item{Level: unix.SOL_IP, Type: 99, Data: word(1)}, nil, func(*stack.SendMeta) bool { return true }},
		{unix.AF_INET6, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IPV6, Type: unix.IPV6_HOPLIMIT, Data: word(-1)}, nil, func(m *stack.SendMeta) bool { return !m.HasTTL }},
		{unix.AF_INET6, unix.SOCK_DGRAM, socket.Item{Level: unix.SOL_IPV6, Type: unix.IPV6_TCLASS, Data: word(256)}, unix.EINVAL, nil},
	} {
		s, f, task := made(t, c.family, c.typ)
		_, err := s.Send(task, usermem.BytesBuffer([]byte("x")), &socket.Message{Control: socket.Control{Items: []socket.Item{c.item}}})
		if err != c.want && !(err == nil && c.want == nil) || err == nil && !c.check(&f.meta) {
			t.Errorf("%+v: %v, %+v", c.item, err, f.meta)
		}
	}
	s, _, task := made(t, unix.AF_INET, unix.SOCK_DGRAM)
	task.Creds.Effective = 0
	mark := &socket.Message{Control: socket.Control{Items: []socket.Item{{Level: unix.SOL_SOCKET, Type: soMark, Data: word(1)}}}}
	if _, err := s.Send(task, usermem.BytesBuffer(nil), mark); err != unix.EPERM {
		t.Errorf("SO_MARK without a capability: %v", err)
	}
}

// told is a wait.Listener that keeps the events.
type told struct{ mask wait.Mask }

func (l *told) Notify(m wait.Mask) { l.mask |= m }

func TestReadiness(t *testing.T) {
	s, f, _ := made(t, unix.AF_INET, unix.SOCK_STREAM)
	var l told
	e := wait.Entry{Listener: &l}
	s.Register(&e, wait.RdNrm|wait.WrNrm)
	f.wake(uint32(wait.In))
	if l.mask != wait.RdNrm {
		t.Errorf("told %x", l.mask)
	}
	f.wake(uint32(wait.Out | wait.Hup))
	if l.mask != wait.RdNrm|wait.WrNrm|wait.Hup {
		t.Errorf("told %x", l.mask)
	}
	f.ready = uint32(wait.In | wait.Hup)
	if m := s.Readiness(wait.Out); m != wait.Hup {
		t.Errorf("ready %x", m)
	}
	// Zero-copy sends are told of as errors.
	s, f, task := made(t, unix.AF_INET, unix.SOCK_DGRAM)
	f.opt[[2]int{unix.SOL_SOCKET, unix.SO_ZEROCOPY}] = nil
	if err := s.SetOption(task, unix.SOL_SOCKET, unix.SO_ZEROCOPY, []byte{1, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Send(task, usermem.BytesBuffer([]byte("x")), &socket.Message{Flags: msgZeroCopy}); err != nil {
			t.Fatal(err)
		}
	}
	if m := s.Readiness(wait.In); m != wait.Err {
		t.Errorf("ready %x", m)
	}
	m := socket.Message{Flags: unix.MSG_ERRQUEUE}
	if _, err := s.Recv(task, usermem.BytesBuffer(nil), &m); err != nil {
		t.Fatal(err)
	}
	if d := find(t, &m, unix.SOL_IP, unix.IP_RECVERR); d[4] != 5 || d[8] != 0 || d[12] != 2 {
		t.Errorf("completion %x", d)
	}
	f.err = unix.EAGAIN
	if _, err := s.Recv(task, usermem.BytesBuffer(nil), &m); err != unix.EAGAIN {
		t.Errorf("told twice: %v", err)
	}
}

func TestAcceptAndClose(t *testing.T) {
	s, f, task := made(t, unix.AF_INET, unix.SOCK_STREAM)
	if _, err := s.Accept(task); err != unix.EAGAIN {
		t.Fatal(err)
	}
	second := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := s.SetOption(task, unix.SOL_SOCKET, unix.SO_RCVTIMEO, second); err != nil {
		t.Fatal(err)
	}
	f.queue = []*fake{{family: unix.AF_INET, typ: unix.SOCK_STREAM, peer: stack.Address{AddrPort: netip.MustParseAddrPort("10.0.0.1:9")}}}
	c, err := s.Accept(task)
	if err != nil {
		t.Fatal(err)
	}
	if from := c.(socket.Accepted).AcceptedFrom(); !bytes.Equal(from, in4("10.0.0.1:9")) {
		t.Errorf("from %x", from)
	}
	if b, err := c.Option(task, unix.SOL_SOCKET, unix.SO_RCVTIMEO, 16); err != nil || !bytes.Equal(b, second) {
		t.Errorf("the time-out is %x, %v", b, err)
	}
	// A lingering close ends when the connection has, or with its time.
	f.linger, f.ready = time.Hour, 0
	go func() {
		time.Sleep(20 * time.Millisecond)
		f.wake(uint32(wait.Hup))
	}()
	begin := time.Now()
	c.Release(task, nil)
	f.linger = 30 * time.Millisecond
	s.Release(task, nil)
	if d := time.Since(begin); d < 20*time.Millisecond || d > time.Minute || !f.closed {
		t.Errorf("closed %v after %v", f.closed, d)
	}
}

func TestNoAllocation(t *testing.T) {
	if lock.Checking {
		t.Skip("checking allocates")
	}
	s, f, task := made(t, unix.AF_INET, unix.SOCK_STREAM)
	f.give = make([]byte, 100)
	buf := usermem.BytesBuffer(make([]byte, 100))
	if n := testing.AllocsPerRun(100, func() {
		_, _, _ = s.Write(task, nil, buf, 0)
		_, _ = s.Read(task, nil, buf, 0)
	}); n > 0.5 {
		t.Errorf("a write and a read make %v allocations", n)
	}
}
