package hostinet

import (
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// world is the host's sockets, and a task.
type world struct {
	*testing.T
	n    *Network
	task *currenttest.Task
}

func newWorld(t *testing.T, most int) *world {
	t.Helper()
	before := runtime.NumGoroutine()
	n, err := New(socket.NewNetNS(auth.NewRootNamespace(), 1), most)
	ok(t, err)
	t.Cleanup(func() {
		if left := n.count.Load(); left != 0 || len(n.poller.all) != 0 {
			t.Errorf("%d sockets were left, %d with the poller", left, len(n.poller.all))
		}
		n.Close()
		for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
		}
	})
	return &world{t, n, currenttest.New(1 << 16)}
}

// socket makes a socket that ends with the test.
func (w *world) socket(af, typ, protocol int32) *Sock {
	w.Helper()
	s, err := w.n.Family(af).Socket(w.task, typ, protocol)
	ok(w.T, err)
	w.Cleanup(func() { s.Release(w.task, nil) })
	return s.(*Sock)
}

// loopback4 is an address of IPv4 with a port.
func loopback4(port uint16) []byte {
	b := make([]byte, unix.SizeofSockaddrInet4)
	binary.LittleEndian.PutUint16(b, unix.AF_INET)
	binary.BigEndian.PutUint16(b[2:], port)
	copy(b[4:], []byte{127, 0, 0, 1})
	return b
}

func portOf(t *testing.T, s *Sock) uint16 {
	t.Helper()
	name, err := s.Name(false)
	ok(t, err)
	return binary.BigEndian.Uint16(name[2:])
}

// bound is a socket with an address.
func (w *world) bound(typ int32) *Sock {
	w.Helper()
	s := w.socket(unix.AF_INET, typ, 0)
	ok(w.T, s.Bind(w.task, loopback4(0)))
	return s
}

// until calls try, as a task that waits does.
func (w *world) until(s *Sock, mask wait.Mask, try func() error) error {
	w.Helper()
	return current.Retry(w.task, s, mask, time.Now().Add(time.Minute), try)
}

// pair returns two ends of a connection.
func (w *world) pair() (client, server *Sock) {
	w.Helper()
	l := w.bound(unix.SOCK_STREAM)
	ok(w.T, l.Listen(w.task, 5))
	client = w.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err := client.Connect(w.task, loopback4(portOf(w.T, l))); err != nil && err != unix.EINPROGRESS {
		w.Fatal(err)
	}
	ok(w.T, w.until(l, wait.Readable, func() error {
		c, err := l.Accept(w.task)
		if err == nil {
			server = c.(*Sock)
		}
		return err
	}))
	w.Cleanup(func() { server.Release(w.task, nil) })
	return client, server
}

func (w *world) send(s *Sock, text string) {
	w.Helper()
	n, err := s.Send(w.task, usermem.BytesBuffer([]byte(text)), &socket.Message{})
	if err != nil || int(n) != len(text) {
		w.Fatalf("send: %d, %v", n, err)
	}
}

func (w *world) recv(s *Sock, m *socket.Message, n int) (string, error) {
	w.Helper()
	b := make([]byte, n)
	var got int64
	flags := m.Flags
	err := w.until(s, wait.Readable, func() (err error) {
		m.Flags, m.Items = flags, nil
		got, err = s.Recv(w.task, usermem.BytesBuffer(b), m)
		return err
	})
	return string(b[:min(int(got), n)]), err
}

func TestStream(t *testing.T) {
	w := newWorld(t, 100)
	c, s := w.pair()
	from, err := c.Name(false)
	ok(t, err)
	if string(s.AcceptedFrom()) != string(from) {
		t.Errorf("accepted from % x, the client is % x", s.AcceptedFrom(), from)
	}
	if peer, err := c.Name(true); err != nil || binary.BigEndian.Uint16(peer[2:]) != portOf(t, s) {
		t.Errorf("peer % x, %v", peer, err)
	}
	if _, err := s.Recv(w.task, usermem.BytesBuffer(make([]byte, 1)), &socket.Message{}); err != unix.EAGAIN {
		t.Errorf("nothing to read: %v", err)
	}
	w.send(c, "to the server")
	m := &socket.Message{}
	if text, err := w.recv(s, m, 100); text != "to the server" || err != nil || m.Addr != nil {
		t.Errorf("%q, %v, from % x", text, err, m.Addr)
	}
	w.send(s, "peek")
	m = &socket.Message{Flags: unix.MSG_PEEK}
	for range 2 {
		if text, err := w.recv(c, m, 100); text != "peek" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		m.Flags = 0
	}
	m = &socket.Message{Flags: unix.MSG_PEEK, Least: 5}
	w.send(s, "less")
	if _, err := c.Recv(w.task, usermem.BytesBuffer(make([]byte, 8)), m); err != unix.EAGAIN {
		t.Errorf("a peek for more than there is: %v", err)
	}
	ok(t, s.Shutdown(w.task, unix.SHUT_WR))
	if text, err := w.recv(c, &socket.Message{}, 8); text != "less" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := w.recv(c, &socket.Message{}, 8); text != "" || err != nil {
		t.Errorf("at the end: %q, %v", text, err)
	}
	if r := c.Readiness(wait.All); r&wait.RdHup == 0 || r&wait.Out == 0 {
		t.Errorf("readiness at the end of one direction: %#x", r)
	}
	ok(t, s.Shutdown(w.task, unix.SHUT_RDWR))
	ok(t, c.Shutdown(w.task, unix.SHUT_WR))
	_, err = c.Send(w.task, usermem.BytesBuffer([]byte("x")), &socket.Message{})
	is(t, "send after the end", err, unix.EPIPE)
	if _, _, err := c.Write(w.task, nil, usermem.BytesBuffer([]byte("x")), 0); err != unix.EPIPE || len(w.task.Signals) != 1 {
		t.Errorf("write after the end: %v, signals %v", err, w.task.Signals)
	}
}

// All that a peer does not read is refused in the end, and goes on when he does.
func TestFull(t *testing.T) {
	w := newWorld(t, 100)
	c, s := w.pair()
	block := make([]byte, 3<<20)
	sent := 0
	for {
		n, err := c.Send(w.task, usermem.BytesBuffer(block), &socket.Message{})
		sent += int(n)
		if err == unix.EAGAIN && c.Readiness(wait.Out) == 0 {
			break // and none that has come to be since
		}
		if err != unix.EAGAIN {
			ok(t, err)
		}
	}
	done := make(chan error)
	go func() {
		other := currenttest.New(0) // each task has its own way to be woken
		done <- current.Retry(other, c, wait.Writable, time.Now().Add(time.Minute), func() error {
			_, err := c.Send(other, usermem.BytesBuffer([]byte("the end")), &socket.Message{})
			return err
		})
	}()
	got := 0
	for got < sent+len("the end") {
		text, err := w.recv(s, &socket.Message{}, 1<<20)
		ok(t, err)
		got += len(text)
	}
	ok(t, <-done)
}

func TestDatagram(t *testing.T) {
	w := newWorld(t, 100)
	a, b := w.bound(unix.SOCK_DGRAM), w.bound(unix.SOCK_DGRAM)
	to := loopback4(portOf(t, b))
	n, err := a.Send(w.task, usermem.BytesBuffer([]byte("a datagram")), &socket.Message{Addr: to})
	if n != 10 || err != nil {
		t.Fatalf("send: %d, %v", n, err)
	}
	m := &socket.Message{Flags: unix.MSG_TRUNC}
	room := make([]byte, 4)
	ok(t, w.until(b, wait.Readable, func() (err error) {
		n, err = b.Recv(w.task, usermem.BytesBuffer(room), m)
		return err
	}))
	if n != 10 || string(room) != "a da" || m.Flags&unix.MSG_TRUNC == 0 {
		t.Errorf("%d bytes, %q, flags %#x", n, room, m.Flags)
	}
	if name, err := a.Name(false); err != nil || string(name) != string(m.Addr) {
		t.Errorf("from % x, want % x, %v", m.Addr, name, err)
	}
	_, err = a.Send(w.task, usermem.BytesBuffer(make([]byte, 1<<20)), &socket.Message{Addr: to})
	is(t, "more than a datagram", err, unix.EMSGSIZE)
	_, err = a.Send(w.task, usermem.BytesBuffer(nil), &socket.Message{Addr: []byte{}})
	is(t, "an address of nothing", err, unix.EINVAL)
	_, err = a.Send(w.task, usermem.BytesBuffer(nil), &socket.Message{Addr: []byte{unix.AF_UNIX, 0, '/', 'x', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}})
	is(t, "an address of another family", err, unix.EAFNOSUPPORT)
	is(t, "to bind it", a.Bind(w.task, []byte{unix.AF_UNIX}), unix.EINVAL)
}

// pieces is guest memory that is offered in part.
type pieces struct{ usermem.Bytes }

func (p pieces) Direct(rs []usermem.Range, max uint64, write bool, f func([]unix.Iovec) (uint64, error)) (uint64, error) {
	return p.Bytes.Direct(rs, min(max, 3), write, f)
}

// A datagram is whole, however the guest's memory can be had.
func TestPieces(t *testing.T) {
	w := newWorld(t, 100)
	a, b := w.bound(unix.SOCK_DGRAM), w.bound(unix.SOCK_DGRAM)
	ok(t, a.Connect(w.task, loopback4(portOf(t, b))))
	text := []byte("in pieces")
	if n, err := a.Send(w.task, usermem.One(pieces{text}, 0, uint64(len(text))), &socket.Message{}); n != 9 || err != nil {
		t.Fatalf("send: %d, %v", n, err)
	}
	w.send(a, "the next one")
	room := make([]byte, 20)
	m := &socket.Message{}
	var n int64
	ok(t, w.until(b, wait.Readable, func() (err error) {
		n, err = b.Recv(w.task, usermem.One(pieces{room}, 0, 20), m)
		return err
	}))
	if string(room[:n]) != "in pieces" || len(m.Addr) != unix.SizeofSockaddrInet4 {
		t.Errorf("%q from % x", room[:n], m.Addr)
	}
	// Memory that is not there: nothing is sent, and what came is lost as on Linux.
	_, err := a.Send(w.task, usermem.One(usermem.Bytes(text), 4, 20), &socket.Message{})
	is(t, "send from nowhere", err, unix.EFAULT)
	_, err = b.Recv(w.task, usermem.One(usermem.Bytes(text), 100, 20), &socket.Message{})
	is(t, "receive to nowhere", err, unix.EFAULT)
	if b.Readiness(wait.In) != 0 {
		t.Error("something is left")
	}
}

func TestChoice(t *testing.T) {
	w := newWorld(t, 2)
	for _, c := range []struct {
		af, typ, protocol int32
		want              error
	}{
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, unix.EPERM},
		{unix.AF_INET, unix.SOCK_RAW, 0, unix.EPROTONOSUPPORT},
		{unix.AF_INET, unix.SOCK_SEQPACKET, 0, unix.ESOCKTNOSUPPORT},
		{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_UDP, unix.EPROTONOSUPPORT},
		{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, unix.EPROTONOSUPPORT},
		{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6, unix.EPROTONOSUPPORT},
		{unix.AF_INET, unix.SOCK_DGRAM, -1, unix.EINVAL},
		{unix.AF_INET6, unix.SOCK_DGRAM, 1000, unix.EINVAL},
	} {
		_, err := w.n.Family(c.af).Socket(w.task, c.typ, c.protocol)
		if err != c.want {
			t.Errorf("socket(%d, %d, %d): %v, want %v", c.af, c.typ, c.protocol, err, c.want)
		}
	}
	if _, _, err := w.n.Family(unix.AF_INET).Pair(w.task, unix.SOCK_STREAM, 0); err != unix.EOPNOTSUPP {
		t.Errorf("pair: %v", err)
	}
	w.bound(unix.SOCK_DGRAM)
	w.bound(unix.SOCK_DGRAM)
	if _, err := w.n.Family(unix.AF_INET).Socket(w.task, unix.SOCK_DGRAM, 0); err != unix.ENFILE {
		t.Errorf("one too many: %v", err)
	}
}

// teller counts what it is told.
type teller struct{ told chan wait.Mask }

func (l teller) Notify(m wait.Mask) { l.told <- m }

// watcher registers one for mask.
func (w *world) watcher(s *Sock, mask wait.Mask) teller {
	l := teller{make(chan wait.Mask, 1000)}
	e := &wait.Entry{Listener: l}
	s.Register(e, mask)
	w.Cleanup(func() { s.Unregister(e) })
	return l
}

// What arrives is an edge for who waits for it, and for nobody else.
func TestEdges(t *testing.T) {
	w := newWorld(t, 100)
	c, s := w.pair()
	reader, writer := w.watcher(s, wait.In|wait.RdHup), w.watcher(s, wait.Out)
	const times = 20
	for range times {
		w.send(c, "x")
		for m := range reader.told { // an edge of before may be among them
			if m&wait.In != 0 {
				break
			}
		}
		if text, err := w.recv0(s); text == "" || err != nil {
			t.Fatalf("%q, %v", text, err)
		}
	}
	// That there was room is told once at most, when somebody begins to wait.
	if n := len(writer.told); n > 1 {
		t.Errorf("%d edges for room to write, which there always was", n)
	}
	ok(t, c.Shutdown(w.task, unix.SHUT_WR))
	for <-reader.told&wait.RdHup == 0 {
	}
}

// Nobody waits: after a while the host is not asked any more, until somebody does.
func TestIdle(t *testing.T) {
	w := newWorld(t, 100)
	a, b := w.bound(unix.SOCK_DGRAM), w.bound(unix.SOCK_DGRAM)
	ok(t, a.Connect(w.task, loopback4(portOf(t, b))))
	armed := func(s *Sock, direction int) bool {
		s.watch.Lock()
		defer s.watch.Unlock()
		return s.watch.by[direction].armed
	}
	end := time.Now().Add(time.Minute)
	for sent := 0; armed(b, in) || armed(a, out); sent++ {
		w.send(a, "x")
		if text, err := w.recv0(b); text != "x" || err != nil {
			t.Fatalf("%q, %v", text, err)
		}
		if time.Now().After(end) {
			t.Fatal("the host is asked for ever")
		}
	}
	l := w.watcher(b, wait.In)
	if !armed(b, in) {
		t.Error("somebody waits, and the host is not asked")
	}
	w.send(a, "y")
	for m := range l.told {
		if m&wait.In != 0 {
			break
		}
	}
}

// recv0 receives without waiting in the queue.
func (w *world) recv0(s *Sock) (string, error) {
	b := make([]byte, 100)
	for {
		n, err := s.Recv(w.task, usermem.BytesBuffer(b), &socket.Message{})
		if err != unix.EAGAIN {
			return string(b[:n]), err
		}
		time.Sleep(time.Millisecond)
	}
}

// A signal ends the close of a connection whose peer has not taken all of it.
func TestLinger(t *testing.T) {
	w := newWorld(t, 100)
	l := w.bound(unix.SOCK_STREAM)
	ok(t, l.Listen(w.task, 1))
	s, err := w.n.Family(unix.AF_INET).Socket(w.task, unix.SOCK_STREAM, 0)
	ok(t, err)
	c := s.(*Sock)
	if err := c.Connect(w.task, loopback4(portOf(t, l))); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	for err = nil; err == nil; {
		_, err = c.Send(w.task, usermem.BytesBuffer(make([]byte, 1<<20)), &socket.Message{})
		if err == unix.EAGAIN && c.Readiness(wait.Out) != 0 {
			err = nil
		}
	}
	is(t, "a peer who does not read", err, unix.EAGAIN)
	linger := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1), 3600)
	ok(t, c.SetOption(w.task, unix.SOL_SOCKET, unix.SO_LINGER, linger))
	if v, err := c.Option(w.task, unix.SOL_SOCKET, unix.SO_LINGER, 8); err != nil || string(v) != string(linger) {
		t.Errorf("SO_LINGER % x, %v", v, err)
	}
	other := currenttest.New(0)
	closed := make(chan struct{})
	go func() {
		c.Release(other, nil)
		close(closed)
	}()
	select {
	case <-closed:
		t.Error("it did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	other.Interrupt()
	<-closed
}

func TestInterrupt(t *testing.T) {
	w := newWorld(t, 100)
	_, s := w.pair()
	time.AfterFunc(20*time.Millisecond, w.task.Interrupt)
	if _, err := w.recv(s, &socket.Message{}, 1); err != abi.ERESTARTSYS {
		t.Errorf("interrupted receive: %v", err)
	}
}
