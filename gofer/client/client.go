// Package client is the sentry's side of a gofer: it asks, and hands out
// answers.
//
//   - Any number of goroutines may ask at once. Whoever waits first reads the
//     socket for all (the leader); when it has its own answer it passes that on.
//     So a lone caller needs no other goroutine to be woken.
//   - It knows messages, not files: fsimpl/gofer gives them meaning.
//   - A gofer that breaks the protocol or goes away is EIO, for ever.
package client

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

// Client is one connection.
type Client struct {
	fd    int `snapshot:"-"`
	roots int // immutable: how many the gofer has

	mu sync.Mutex // guards what follows
	// leader is true while somebody reads the socket.
	leader  bool
	next    uint32
	pending map[uint32]*call
	clunks  []uint32 // fids to forget, not yet sent
	dead    bool
	closed  bool // fd is closed, or will be by the last of users
	users   int  // calls under way
}

// call is one request that waits.
type call struct {
	answer chan answer // at most the lead, then the answer
}

type answer struct {
	reply *proto.Reply
	fd    int
	lead  bool // not an answer: read the socket from now on
	err   error
}

// New speaks the first words on the socket fd, which it takes over.
func New(fd int) (*Client, error) {
	c := &Client{fd: fd, pending: map[uint32]*call{}}
	r, _, err := c.Call(&proto.Request{Op: proto.Hello, Flags: proto.Version})
	if err != nil {
		return nil, fmt.Errorf("first words: %w", err)
	}
	if r.Flags != proto.Version {
		return nil, fmt.Errorf("the gofer speaks version %d, this is version %d", r.Flags, proto.Version)
	}
	c.roots = int(r.Count)
	return c, nil
}

// Roots returns how many roots the gofer serves.
func (c *Client) Roots() int { return c.roots }

// Call asks and waits for the answer. The error is a unix.Errno: the gofer's,
// or EIO when it is gone. fd is the descriptor that came with the answer to an
// Open, or -1.
// A Walk's reply is returned beside its error.
func (c *Client) Call(r *proto.Request) (reply *proto.Reply, fd int, err error) {
	w := &call{answer: make(chan answer, 2)}
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return nil, -1, unix.EIO
	}
	c.users++
	defer c.leave()
	c.next++
	r.Tag = c.next
	c.pending[r.Tag] = w
	lead := !c.leader
	c.leader = true
	c.mu.Unlock()
	b, err := r.Encode(make([]byte, 0, 256))
	if err == nil {
		err = proto.Send(c.fd, b, -1)
	}
	if err != nil {
		c.withdraw(w, r.Tag, lead)
		if err == proto.ErrInvalid {
			return nil, -1, unix.ENAMETOOLONG
		}
		return nil, -1, unix.EIO
	}
	a := c.wait(w, r.Tag, lead)
	if a.err != nil {
		return nil, -1, unix.EIO
	}
	if a.fd >= 0 && (a.reply.Op != r.Op || r.Op != proto.Open || a.reply.Errno != 0) {
		_ = unix.Close(a.fd)
		a.fd = -1
	}
	switch {
	case a.reply.Op != r.Op:
		return nil, -1, unix.EIO
	case a.reply.Errno != 0:
		return a.reply, -1, unix.Errno(a.reply.Errno)
	}
	return a.reply, a.fd, nil
}

// withdraw takes back a request that was not sent. Its caller may have been made
// the reader in between.
func (c *Client) withdraw(w *call, tag uint32, lead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, tag)
	select {
	case a := <-w.answer:
		lead = lead || a.lead
	default:
	}
	if lead {
		c.passLead()
	}
}

// wait returns the answer to tag.
func (c *Client) wait(w *call, tag uint32, lead bool) answer {
	if !lead {
		a := <-w.answer
		if !a.lead {
			return a
		}
	}
	return c.read(tag)
}

// read reads the socket until the answer to tag comes, handing others theirs.
func (c *Client) read(tag uint32) answer {
	buf := make([]byte, proto.MaxMessage)
	for {
		n, fd, err := proto.Recv(c.fd, buf)
		var r *proto.Reply
		if err == nil {
			r, err = proto.DecodeReply(buf[:n])
		}
		if err != nil {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
			c.die()
			return answer{err: err}
		}
		a := answer{reply: r, fd: fd}
		c.mu.Lock()
		w := c.pending[r.Tag]
		delete(c.pending, r.Tag)
		if r.Tag == tag {
			c.passLead()
			c.mu.Unlock()
			return a
		}
		c.mu.Unlock()
		switch {
		case w != nil:
			w.answer <- a
		case fd >= 0:
			_ = unix.Close(fd)
		}
	}
}

// passLead makes another caller the reader, if there is one. c.mu is held.
func (c *Client) passLead() {
	for _, w := range c.pending {
		w.answer <- answer{lead: true}
		return
	}
	c.leader = false
}

// die tells all that the connection is over.
func (c *Client) die() {
	c.mu.Lock()
	c.dead = true
	all := c.pending
	c.pending = map[uint32]*call{}
	c.mu.Unlock()
	for _, w := range all {
		select {
		case w.answer <- answer{err: unix.EIO}:
		default:
		}
	}
}

// Close gives the connection up. Calls under way end when the gofer does, later
// ones are EIO.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.dead, c.closed = true, true
	if c.users == 0 {
		_ = unix.Close(c.fd)
	}
}

// leave is the end of a call.
func (c *Client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users == 0 && c.closed {
		_ = unix.Close(c.fd)
	}
}

// clunkBatch is how many fids are forgotten in one message.
const clunkBatch = 64

// Clunk forgets a fid, together with others, in time.
func (c *Client) Clunk(fid uint32) {
	c.mu.Lock()
	c.clunks = append(c.clunks, fid)
	var batch []uint32
	if len(c.clunks) >= clunkBatch {
		batch, c.clunks = c.clunks, nil
	}
	c.mu.Unlock()
	if batch != nil {
		_, _, _ = c.Call(&proto.Request{Op: proto.Clunk, Fids: batch}) // a dead gofer has forgotten all
	}
}
