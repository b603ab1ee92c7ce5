package client

import (
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

// gofer is the other end of a client, played by the test.
type gofer struct {
	t  *testing.T
	fd int
}

// pair connects a client that has said its first words.
func pair(t *testing.T) (*Client, *gofer) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := &gofer{t, ends[1]}
	t.Cleanup(func() { _ = unix.Close(g.fd) })
	go func() {
		if r := g.next(); r != nil {
			g.say(&proto.Reply{Op: r.Op, Tag: r.Tag, Flags: proto.Version, Count: 2}, -1)
		}
	}()
	c, err := New(ends[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if c.Roots() != 2 {
		t.Errorf("%d roots", c.Roots())
	}
	return c, g
}

// next is the next request.
func (g *gofer) next() *proto.Request {
	b := make([]byte, proto.MaxMessage)
	n, _, err := proto.Recv(g.fd, b)
	if err != nil {
		g.t.Error(err)
		return nil
	}
	r, err := proto.DecodeRequest(b[:n])
	if err != nil {
		g.t.Error(err)
		return nil
	}
	return r
}

func (g *gofer) say(r *proto.Reply, pass int) {
	b, err := r.Encode(nil)
	if err == nil {
		err = proto.Send(g.fd, b, pass)
	}
	if err != nil {
		g.t.Error(err)
	}
}

// tooLong cannot be encoded.
func tooLong() *proto.Request {
	return &proto.Request{Op: proto.GetXattr, Fid: 1, Name: string(make([]byte, proto.MaxName+1))}
}

func TestAnswersInAnyOrder(t *testing.T) {
	c, g := pair(t)
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, fd, err := c.Call(&proto.Request{Op: proto.Getattr, Fid: uint32(i)})
			if err != nil || fd != -1 || r.Attr.Ino != uint64(i) {
				t.Errorf("%d: %+v, %d, %v", i, r, fd, err)
			}
		})
	}
	var rs []*proto.Request
	for range n {
		rs = append(rs, g.next())
	}
	for i := range rs {
		r := rs[n-1-i]
		g.say(&proto.Reply{Op: r.Op, Tag: r.Tag, Attr: proto.Attr{Ino: uint64(r.Fid)}}, -1)
	}
	wg.Wait()
}

// TestUnsent: a request that cannot be sent does not take the right to read the
// socket with it, whenever that came to it.
func TestUnsent(t *testing.T) {
	c, g := pair(t)
	if _, _, err := c.Call(tooLong()); err != unix.ENAMETOOLONG {
		t.Errorf("too long: %v", err)
	}
	go func() {
		for range 2000 {
			r := g.next()
			if r == nil {
				return
			}
			g.say(&proto.Reply{Op: r.Op, Tag: r.Tag}, -1)
		}
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if _, _, err := c.Call(&proto.Request{Op: proto.Fsync}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 2000 {
				if _, _, err := c.Call(tooLong()); err != unix.ENAMETOOLONG {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// The same step by step: the lead comes between the request and its failure.
	c.mu.Lock()
	w := &call{answer: make(chan answer, 2)}
	c.pending[1<<31] = w
	c.leader = true
	c.passLead()
	c.mu.Unlock()
	c.withdraw(w, 1<<31, false)
	if c.leader {
		t.Error("nobody reads the socket, and everybody waits for somebody who does")
	}
}

// TestStrangeAnswers: what was not asked for is refused, and its descriptors are
// closed.
func TestStrangeAnswers(t *testing.T) {
	c, g := pair(t)
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	answer := func(op proto.Op, errno unix.Errno, off uint32) {
		r := g.next()
		g.say(&proto.Reply{Op: op, Tag: r.Tag + off, Errno: uint32(errno)}, p[1])
		if off != 0 {
			g.say(&proto.Reply{Op: r.Op, Tag: r.Tag}, -1)
		}
	}
	for _, c2 := range []struct {
		name  string
		ask   proto.Op
		op    proto.Op
		errno unix.Errno
		off   uint32
		want  error
	}{
		{"another question's answer", proto.Open, proto.Fsync, 0, 0, unix.EIO},
		{"an error and a descriptor", proto.Open, proto.Open, unix.EACCES, 0, unix.EACCES},
		{"a descriptor unasked", proto.Fsync, proto.Fsync, 0, 0, nil},
		{"nobody's answer first", proto.Fsync, proto.Fsync, 0, 1000, nil},
	} {
		go answer(c2.op, c2.errno, c2.off)
		_, fd, err := c.Call(&proto.Request{Op: c2.ask})
		if err != c2.want || fd != -1 {
			t.Errorf("%s: %d, %v, want %v", c2.name, fd, err, c2.want)
		}
	}
	_ = unix.Close(p[1])
	if n, err := unix.Read(p[0], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("a descriptor is left: %d, %v", n, err)
	}
}

// TestGone: whoever waits when the gofer goes away gets EIO, and so does whoever
// comes later.
func TestGone(t *testing.T) {
	c, g := pair(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, _, err := c.Call(&proto.Request{Op: proto.Fsync}); err != unix.EIO {
				t.Error(err)
			}
		})
	}
	for range 8 {
		g.next()
	}
	if err := unix.Shutdown(g.fd, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if _, _, err := c.Call(&proto.Request{Op: proto.Fsync}); err != unix.EIO {
		t.Error(err)
	}
}
