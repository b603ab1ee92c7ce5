package unix

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// world is a namespace and who makes the calls.
type world struct {
	*testing.T
	ns   *Namespace
	task *currenttest.Task
}

func newWorld(t *testing.T) *world {
	return &world{t, NewNamespace(socket.NewNetNS(auth.NewRootNamespace(), 1), &Flight{}), currenttest.New(1 << 16)}
}

func (w *world) sock(typ int32) *Sock {
	w.Helper()
	s, err := w.ns.newSock(w.task, typ, 0)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// listener is a stream socket that listens at an abstract name.
func (w *world) listener(backlog int) (l *Sock, addr []byte) {
	w.Helper()
	l, addr = w.sock(unix.SOCK_STREAM), []byte("\x01\x00\x00listener")
	if err := l.Bind(w.task, addr); err != nil {
		w.Fatal(err)
	}
	if err := l.Listen(w.task, backlog); err != nil {
		w.Fatal(err)
	}
	return l, addr
}

// connected is one end of a pair.
func (w *world) connected(typ int32) *Sock {
	w.Helper()
	a, _, err := w.ns.Pair(w.task, typ, 0)
	if err != nil {
		w.Fatal(err)
	}
	return a.(*Sock)
}

func (w *world) send(s *Sock, data string) (int64, error) {
	return s.Send(w.task, usermem.BytesBuffer([]byte(data)), &socket.Message{})
}

func (w *world) recv(s *Sock) (string, error) {
	b := make([]byte, 100)
	n, err := s.Recv(w.task, usermem.BytesBuffer(b), &socket.Message{})
	return string(b[:max(n, 0)]), err
}

// TestNoRoomToConnect: what is sent through a connection that then does not come
// about is let go of, and the socket is as it was.
func TestNoRoomToConnect(t *testing.T) {
	w := newWorld(t)
	l, addr := w.listener(0)
	first, s := w.sock(unix.SOCK_STREAM), w.sock(unix.SOCK_STREAM)
	if err := first.Connect(w.task, addr); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var stop atomic.Bool
	sent := 0
	for _, act := range []func(){
		func() {
			if n, _ := w.send(s, "lost"); n > 0 { // mostly there is nobody to send to
				sent++
			}
		},
		func() { _ = s.Shutdown(w.task, unix.SHUT_RDWR) }, // likewise
	} {
		wg.Go(func() {
			for !stop.Load() {
				act()
			}
		})
	}
	for range 20000 {
		if err := s.Connect(w.task, addr); err != unix.EAGAIN {
			t.Fatalf("connect: %v", err)
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d were sent in between", sent)
	if n := s.wmem.Load(); n != 0 {
		t.Errorf("%d bytes are held for ever", n)
	}
	if c, err := l.Accept(w.task); err != nil || c == nil {
		t.Fatal(err)
	}
	if err := s.Connect(w.task, addr); err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(s, "there"); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept(w.task)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.recv(c.(*Sock)); got != "there" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestBounds: what waits at a socket, and what is under way, is bounded.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	fill := func(name string, most int, want error, add func() error) {
		t.Helper()
		for i := range most {
			if err := add(); err != nil {
				t.Fatalf("%s: number %d of %d: %v", name, i, most, err)
			}
		}
		if err := add(); err != want {
			t.Errorf("%s: one more than %d: %v, want %v", name, most, err, want)
		}
	}
	l, addr := w.listener(3)
	fill("connections", 4, unix.EAGAIN, func() error { return w.sock(unix.SOCK_STREAM).Connect(w.task, addr) })
	if err := l.Listen(w.task, 1<<30); err != nil {
		t.Fatal(err)
	}
	fill("with the largest backlog", maxBacklog-3, unix.EAGAIN, func() error { return w.sock(unix.SOCK_STREAM).Connect(w.task, addr) })

	d, name := w.sock(unix.SOCK_DGRAM), []byte("\x01\x00\x00datagrams")
	if err := d.Bind(w.task, name); err != nil {
		t.Fatal(err)
	}
	fill("datagrams of others", maxQueued+1, unix.EAGAIN, func() error {
		_, err := w.sock(unix.SOCK_DGRAM).Send(w.task, usermem.BytesBuffer(nil), &socket.Message{Addr: name})
		return err
	})
	for _, typ := range []int32{unix.SOCK_STREAM, unix.SOCK_SEQPACKET, unix.SOCK_DGRAM} {
		a := w.connected(typ)
		_ = a.SetOption(w.task, unix.SOL_SOCKET, unix.SO_SNDBUF, socket.IntValue(8192))
		fill("bytes to a peer", (16384+1024+overhead-1)/(1024+overhead), unix.EAGAIN, func() error {
			_, err := w.send(a, string(make([]byte, 1024)))
			return err
		})
	}
	a := w.connected(unix.SOCK_STREAM)
	m := &socket.Message{}
	m.Files = make([]*vfs.File, maxFlight+1)
	if _, err := a.Send(w.task, usermem.BytesBuffer([]byte("x")), m); err != unix.ETOOMANYREFS {
		t.Errorf("descriptors under way: %v", err)
	}
	if n := w.ns.flight.Load(); n != 0 {
		t.Errorf("%d count as under way", n)
	}
}

// TestEnd: how the peer of a socket that is closed learns of it.
func TestEnd(t *testing.T) {
	for _, c := range []struct {
		name         string
		accept, left bool
		want         error
	}{
		{"in peace", true, false, nil},
		{"with something unread", true, true, unix.ECONNRESET},
		{"never accepted", false, false, unix.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			l, addr := w.listener(5)
			s := w.sock(unix.SOCK_STREAM)
			if err := s.Connect(w.task, addr); err != nil {
				t.Fatal(err)
			}
			if c.left {
				if _, err := w.send(s, "unread"); err != nil {
					t.Fatal(err)
				}
			}
			end := l
			if c.accept {
				x, err := l.Accept(w.task)
				if err != nil {
					t.Fatal(err)
				}
				end = x.(*Sock)
			}
			if _, err := w.recv(s); err != unix.EAGAIN {
				t.Fatalf("before: %v", err)
			}
			end.Release(w.task, nil)
			if got, err := w.recv(s); got != "" || err != c.want {
				t.Errorf("%q, %v, want %v", got, err, c.want)
			}
			if got, err := w.recv(s); got != "" || err != nil {
				t.Errorf("then %q, %v: the end is told for ever", got, err)
			}
			if _, err := w.send(s, "x"); err != unix.EPIPE {
				t.Errorf("send: %v", err)
			}
			if n := s.wmem.Load(); n != 0 {
				t.Errorf("%d bytes are held for ever", n)
			}
		})
	}
}
