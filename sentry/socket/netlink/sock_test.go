package netlink

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/socket/netlink/wire"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// echo is a protocol: type 16 fails with the errno of its body, 17 dumps as many
// messages as it says, 18 replies.
type echo struct{}

func (echo) Groups() int { return 40 }

func (echo) Receive(t current.Task, s *Sock, data []byte) {
	Each(t, s, data, func(r *Request) error {
		n := int(binary.NativeEndian.Uint32(append(r.Body, 0, 0, 0, 0)))
		switch r.Header.Type {
		case 16:
			r.Offset = 16
			return r.Fail(unix.Errno(n), "because")
		case 17:
			return r.Dump(n, func(b *wire.Builder, i int) {
				r.Begin(b, 99, unix.NLM_F_MULTI)
				b.Append(binary.NativeEndian.AppendUint32(nil, uint32(i))...)
				b.End()
			})
		case 18:
			r.Reply(func(b *wire.Builder) {
				r.Begin(b, 98, 0)
				b.End()
			})
		}
		return nil
	})
}

type fixture struct {
	t    *testing.T
	task *currenttest.Task
	net  *Net
}

// newStack returns a stack without threads.
func newStack() *stack.Stack {
	start := time.Now()
	return stack.New(stack.Config{
		Pool: new(buffer.Pool), Now: func() int64 { return int64(time.Since(start)) + 1 }, Wall: time.Now,
		After:  func(d time.Duration, f func()) func() { t := time.AfterFunc(d, f); return func() { t.Stop() } },
		Random: func(b []byte) { _, _ = rand.Read(b) }, // which never fails
	})
}

func newFixture(t *testing.T) *fixture {
	task := currenttest.New(1 << 20)
	ns := socket.NewNetNS(task.Creds.UserNS, 1)
	n := New(ns, newStack(), Config{Protocols: map[int32]Protocol{5: echo{}}})
	return &fixture{t, task, n}
}

func (f *fixture) socket() *Sock {
	f.t.Helper()
	s, err := f.net.Socket(f.task, unix.SOCK_RAW, 5)
	if err != nil {
		f.t.Fatal(err)
	}
	return s.(*Sock)
}

func (f *fixture) send(s *Sock, data []byte) error {
	f.t.Helper()
	copy(f.task.Memory.(usermem.Bytes)[1000:], data)
	_, err := s.Send(f.task, usermem.One(f.task.Mem(), 1000, uint64(len(data))), &socket.Message{})
	return err
}

func (f *fixture) recv(s *Sock, room int, m *socket.Message) ([]byte, error) {
	f.t.Helper()
	n, err := s.Recv(f.task, usermem.One(f.task.Mem(), 500000, uint64(room)), m)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), f.task.Memory.(usermem.Bytes)[500000:500000+min(int(n), room)]...), nil
}

func message(typ, flags uint16, v uint32) []byte {
	var b wire.Builder
	b.Begin(typ, flags|unix.NLM_F_REQUEST, 7, 0)
	b.Append(binary.NativeEndian.AppendUint32(nil, v)...)
	b.End()
	return b.Bytes()
}

func TestAck(t *testing.T) {
	f := newFixture(t)
	s := f.socket()
	if err := f.send(s, append(message(16, 0, uint32(unix.EBUSY)), message(18, unix.NLM_F_ACK, 0)...)); err != nil {
		t.Fatal(err)
	}
	got, err := f.recv(s, 4096, &socket.Message{})
	if err != nil {
		t.Fatal(err)
	}
	h, body, _, ok := wire.Next(got)
	if !ok || h.Type != unix.NLMSG_ERROR || h.Seq != 7 || h.Port != 1 || -int32(binary.NativeEndian.Uint32(body)) != int32(unix.EBUSY) || len(body) != 24 {
		t.Errorf("error %+v %v", h, body)
	}
	got, _ = f.recv(s, 4096, &socket.Message{})
	if h, _, _, _ := wire.Next(got); h.Type != 98 {
		t.Errorf("reply %+v", h)
	}
	got, _ = f.recv(s, 4096, &socket.Message{})
	if h, body, _, _ := wire.Next(got); h.Type != unix.NLMSG_ERROR || binary.NativeEndian.Uint32(body) != 0 || h.Flags != unix.NLM_F_CAPPED {
		t.Errorf("ack %+v %v", h, body)
	}
	if _, err := f.recv(s, 4096, &socket.Message{}); err != unix.EAGAIN {
		t.Errorf("one more: %v", err)
	}
	// With extended acknowledgements the reason comes along.
	for _, o := range []int32{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		if err := s.SetOption(f.task, unix.SOL_NETLINK, o, socket.IntValue(1)); err != nil {
			t.Fatal(err)
		}
	}
	_ = f.send(s, message(16, 0, uint32(unix.EBUSY)))
	got, _ = f.recv(s, 4096, &socket.Message{})
	h, body, _, _ = wire.Next(got)
	a, _ := wire.Parse(body[20:], wire.Policy{1: {Kind: wire.String}, 2: {Kind: wire.U32}}, true)
	if h.Flags != unix.NLM_F_CAPPED|unix.NLM_F_ACK_TLVS || a.String(1) != "because" || a.U32(2) != 16 {
		t.Errorf("extended %+v %v", h, body)
	}
}

// A dump comes in datagrams of the reader's size, whole and in order.
func TestDump(t *testing.T) {
	for _, n := range []int{0, 1, 187, 188, 189, 10000} {
		f := newFixture(t)
		s := f.socket()
		if err := f.send(s, message(17, unix.NLM_F_DUMP, uint32(n))); err != nil {
			t.Fatal(err)
		}
		next, done := 0, false
		for i := 0; !done; i++ {
			if s.Readiness(wait.In) == 0 {
				t.Fatalf("%d: not readable after %d messages", n, next)
			}
			got, err := f.recv(s, 65536, &socket.Message{})
			if err != nil || i == 0 && len(got) > firstDatagram || len(got) > maxDatagram {
				t.Fatalf("%d: %v, %d bytes", n, err, len(got))
			}
			for {
				h, body, rest, ok := wire.Next(got)
				if !ok {
					break
				}
				if h.Flags&unix.NLM_F_MULTI == 0 || done {
					t.Fatalf("%d: %+v", n, h)
				}
				if done = h.Type == unix.NLMSG_DONE; !done {
					if int(binary.NativeEndian.Uint32(body)) != next {
						t.Fatalf("%d: item %v instead of %d", n, body, next)
					}
					next++
				}
				got = rest
			}
		}
		if next != n {
			t.Errorf("%d items of %d", next, n)
		}
		if _, err := f.recv(s, 100, &socket.Message{}); err != unix.EAGAIN {
			t.Errorf("after the end: %v", err)
		}
		// The next one can begin.
		if err := f.send(s, message(17, unix.NLM_F_DUMP|unix.NLM_F_ACK, 5)); err != nil || s.Info().Bytes == 0 {
			t.Error("no second dump")
		}
		s.Release(f.task, nil)
	}
}

// A socket dumps one thing at a time: who asks for another meanwhile is told so.
func TestSecondDump(t *testing.T) {
	f := newFixture(t)
	s := f.socket()
	for range 1000 {
		if err := f.send(s, message(17, unix.NLM_F_DUMP, 10000)); err != nil {
			t.Fatal(err)
		}
	}
	if n, limit := s.Info().Bytes, s.opts.ReceiveBuffer(); int(n) > limit+maxDatagram {
		t.Errorf("%d bytes wait, the buffer has %d", n, limit)
	}
	busy := 0
	for {
		got, err := f.recv(s, 65536, &socket.Message{})
		if err == unix.ENOBUFS {
			continue
		} else if err != nil {
			break
		}
		if h, body, _, ok := wire.Next(got); ok && h.Type == unix.NLMSG_ERROR && -int32(binary.NativeEndian.Uint32(body)) == int32(unix.EBUSY) {
			busy++
		}
	}
	if busy == 0 || s.dump != nil {
		t.Errorf("%d were refused; a dump is left: %v", busy, s.dump != nil)
	}
}

// Peeking tells the whole length, as iproute2 asks for it.
func TestPeek(t *testing.T) {
	f := newFixture(t)
	s := f.socket()
	_ = f.send(s, message(17, unix.NLM_F_DUMP, 10))
	m := socket.Message{Flags: unix.MSG_PEEK | unix.MSG_TRUNC}
	n, err := s.Recv(f.task, usermem.One(f.task.Mem(), 0, 0), &m)
	if err != nil || n != 10*20+20 || m.Flags&unix.MSG_TRUNC == 0 {
		t.Errorf("%d %v %x", n, err, m.Flags)
	}
	got, err := f.recv(s, int(n), &socket.Message{})
	if err != nil || len(got) != int(n) {
		t.Errorf("%d %v", len(got), err)
	}
}

func TestBind(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.socket(), f.socket(), f.socket()
	if err := a.Bind(f.task, address(0, 3)); err != nil {
		t.Fatal(err)
	}
	if name, _ := a.Name(false); string(name) != string(address(1, 3)) {
		t.Errorf("name %v", name)
	}
	if err := b.Bind(f.task, address(1, 0)); err != unix.EADDRINUSE {
		t.Errorf("a port twice: %v", err)
	}
	if err := b.Bind(f.task, address(0, 0)); err != nil || b.portID() == 1 || b.portID() < 1<<31 {
		t.Errorf("second of a process: %v, %d", err, b.portID())
	}
	if err := a.Bind(f.task, address(5, 0)); err != unix.EINVAL {
		t.Errorf("another port: %v", err)
	}
	if err := c.Bind(f.task, address(77, 0)); err != nil {
		t.Error(err)
	}
	if err := c.SetOption(f.task, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, socket.IntValue(40)); err != nil {
		t.Error(err)
	}
	if err := c.SetOption(f.task, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, socket.IntValue(41)); err != unix.EINVAL {
		t.Errorf("a group too many: %v", err)
	}
	if v, _ := c.Option(f.task, unix.SOL_NETLINK, netlinkListMemberships, 8); string(v) != "\x00\x00\x00\x00\x80\x00\x00\x00" {
		t.Errorf("memberships %v", v)
	}
	if !a.net.Listening(5, 40) || a.net.Listening(5, 39) {
		t.Error("who listens is wrong")
	}
	user := currenttest.NewUser(1, 1)
	if _, err := c.Send(user, usermem.One(f.task.Mem(), 0, 4), &socket.Message{Addr: address(1, 0)}); err != unix.EPERM {
		t.Errorf("a user sends to a socket: %v", err)
	}
	if _, err := c.Send(f.task, usermem.One(f.task.Mem(), 0, 4), &socket.Message{Addr: address(1, 0)}); err != nil {
		t.Error(err)
	}
	var m socket.Message
	if got, err := f.recv(a, 10, &m); err != nil || len(got) != 4 || string(m.Addr) != string(address(77, 0)) {
		t.Errorf("%v %v %v", got, err, m.Addr)
	}
	for _, s := range []*Sock{a, b, c} {
		s.Release(f.task, nil)
	}
	if len(f.net.Sockets(-1)) != 0 || len(f.net.ports) != 0 {
		t.Error("closed sockets stay")
	}
}

// A reader that is too slow is told so, and loses nothing that it had.
func TestOverrun(t *testing.T) {
	f := newFixture(t)
	s := f.socket()
	_ = s.Bind(f.task, address(0, 1))
	_ = s.SetOption(f.task, unix.SOL_SOCKET, unix.SO_RCVBUF, socket.IntValue(4096))
	for range 100 {
		s.net.Multicast(5, 1, make([]byte, 100), nil)
	}
	if s.Readiness(wait.All)&wait.Err == 0 {
		t.Error("no error to poll")
	}
	if _, err := f.recv(s, 100, &socket.Message{}); err != unix.ENOBUFS {
		t.Errorf("got %v", err)
	}
	n := 0
	for ; ; n++ {
		if _, err := f.recv(s, 100, &socket.Message{}); err != nil {
			break
		}
	}
	if n != 8192/(100+overhead) || s.Info().Drops != uint32(100-n) {
		t.Errorf("%d datagrams, %d dropped", n, s.Info().Drops)
	}
	s.net.Multicast(5, 1, make([]byte, 100), nil)
	if _, err := f.recv(s, 100, &socket.Message{}); err != nil {
		t.Errorf("after it was read: %v", err)
	}
}

// Whatever is sent, the socket answers without a panic and within its buffer.
func FuzzReceive(f *testing.F) {
	f.Add(append(message(16, 0, 1), message(17, unix.NLM_F_DUMP, 3)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 4096 {
			return
		}
		fx := newFixture(t)
		s := fx.socket()
		for h, rest := in, []byte(nil); len(h) >= 20; h = rest {
			binary.NativeEndian.PutUint32(h[16:], binary.NativeEndian.Uint32(h[16:])%100)
			_, _, next, ok := wire.Next(h)
			if !ok {
				break
			}
			rest = next
		}
		_ = fx.send(s, in)
		for range 1000 {
			if _, err := fx.recv(s, 4096, &socket.Message{}); err != nil {
				return
			}
		}
		if s.Info().Bytes > socket.DefaultBuffer*2 {
			t.Fatal("too much is queued")
		}
	})
}
