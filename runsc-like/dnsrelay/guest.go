package dnsrelay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Guest is the sentry's end: it answers what the guest's programs ask.
type Guest struct {
	e  *end
	mu sync.Mutex // guards what follows
	// waiting has who waits for an answer, by the number of the query.
	waiting map[uint64]func([]byte)
	last    uint64
	closed  bool
}

// NewGuest takes over fd.
func NewGuest(fd int) (*Guest, error) {
	e, err := newEnd(fd)
	if err != nil {
		return nil, err
	}
	g := &Guest{e: e, waiting: map[uint64]func([]byte){}}
	go g.receive()
	return g, nil
}

// receive hands out answers until the relay ends.
func (g *Guest) receive() {
	buf := make([]byte, headerSize+maxMessage)
	for {
		m, err := g.e.read(buf)
		if err != nil {
			break
		}
		g.mu.Lock()
		f := g.waiting[m.id]
		delete(g.waiting, m.id)
		g.mu.Unlock()
		if f != nil {
			f(m.body)
		}
	}
	g.mu.Lock()
	g.closed, g.waiting = true, map[uint64]func([]byte){}
	g.mu.Unlock()
	_ = g.e.f.Close()
}

// ask has f called with the answer to a query, if there is one in time.
func (g *Guest) ask(transport byte, server netip.Addr, query []byte, f func([]byte)) {
	g.mu.Lock()
	if g.closed || len(g.waiting) >= maxQueries {
		g.mu.Unlock()
		return // lost: who asks will ask again
	}
	g.last++
	id := g.last
	g.waiting[id] = f
	g.mu.Unlock()
	time.AfterFunc(patience+time.Second, func() {
		g.mu.Lock()
		delete(g.waiting, id)
		g.mu.Unlock()
	})
	if g.e.write(message{transport, id, server, query}) != nil {
		g.mu.Lock()
		delete(g.waiting, id)
		g.mu.Unlock()
	}
}

// Datagrams answers queries that come by UDP, until c is closed.
func (g *Guest) Datagrams(c net.PacketConn, server netip.Addr) {
	b := make([]byte, maxMessage)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			if isGone(err) {
				return
			}
			continue // what became of an answer
		}
		g.ask('u', server, append([]byte(nil), b[:n]...), func(answer []byte) { _, _ = c.WriteTo(answer, from) })
	}
}

// isGone reports whether an error is for ever.
func isGone(err error) bool {
	for _, e := range []error{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EPERM} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}

// Streams answers queries that come by TCP, until l is closed.
func (g *Guest) Streams(l net.Listener, server netip.Addr) {
	slots := make(chan struct{}, maxQueries)
	for {
		slots <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { <-slots }()
			defer c.Close()
			g.stream(c, server)
		}()
	}
}

// idle is how long a connection may be silent.
const idle = 30 * time.Second

// stream answers the queries of one connection, one after the other.
func (g *Guest) stream(c net.Conn, server netip.Addr) {
	for {
		if c.SetDeadline(time.Now().Add(idle)) != nil {
			return
		}
		query, err := ReadTCP(c)
		if err != nil {
			return
		}
		answers := make(chan []byte, 1)
		g.ask('t', server, query, func(answer []byte) { answers <- answer })
		select {
		case answer := <-answers:
			if WriteTCP(c, answer) != nil {
				return
			}
		case <-time.After(patience + time.Second):
			return
		}
	}
}
