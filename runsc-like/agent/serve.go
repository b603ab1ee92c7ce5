package agent

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The ioctls of linux/seccomp.h.
const (
	notifReceive = 0xc0502100
	notifSend    = 0xc0182101
	notifValid   = 0x40082102
	notifAddFD   = 0x2103 // without direction and size
	addFDMask    = 0xffff
)

// Bounds of what is kept for an agent.
const (
	patience   = 2 * time.Second // for it to close the listener when all is over
	maxWaiting = 1024            // ioctls that wait for a call
	maxPolls   = 256             // open files that somebody polls

	pollRdNorm = 0x40 // POLLRDNORM
)

// helper serves a listener.
type helper struct {
	dev   device
	line  *Line
	owner int // whose owner (F_SETOWN) is the process of a call
	proc  int // the host's /proc

	mu      sync.Mutex // guards what follows
	waiting []uint64   // ioctls that wait for a call
	sent    []uint64   // ioctls that wait for the sentry's answer
	asked   bool       // a Receive is under way
	kept    *Reply     // what came when nobody waited any more
	poll    uint32     // as the sentry says
	polls   []uint64   // handles of who polls
	over    bool       // there will be no calls
}

// Serve serves the listener of a device until the agent has closed it, or the
// sentry at the other end of line is gone. owner is a descriptor that the sentry has
// too: before it tells of a call it makes the process that has the call's memory the
// owner, whose number the kernel then tells each side in its own pid namespace. proc is
// a descriptor of /proc.
func Serve(dev int, line *Line, owner, proc int) error {
	h := &helper{dev: device{dev}, line: line, owner: owner, proc: proc}
	told, closed := make(chan error, 1), make(chan error, 1)
	go func() { told <- h.serveLine() }()
	go func() { closed <- h.serveDevice() }()
	var err error
	select {
	case err = <-closed:
	case err = <-told:
		h.mu.Lock()
		h.end()
		h.mu.Unlock()
		select { // an agent that asks once more hears that it is over
		case <-closed:
		case <-time.After(patience):
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ECONNABORTED) {
		return nil
	}
	return err
}

// end answers all who wait. mu is held.
func (h *helper) end() {
	h.over = true
	for _, u := range slices.Concat(h.waiting, h.sent) {
		_ = h.dev.answer(u, unix.ENOENT) // who has gone needs no answer
	}
	h.waiting, h.sent = nil, nil
	h.wake()
}

// wake has all who poll ask again. mu is held.
func (h *helper) wake() {
	for _, p := range h.polls {
		h.dev.wake(p)
	}
	h.polls = nil
}

// serveLine handles what the sentry says.
func (h *helper) serveLine() error {
	for {
		r, err := h.line.Told()
		if err != nil {
			return err
		}
		h.mu.Lock()
		switch r.Kind {
		case Received:
			h.asked = false
			h.received(&r)
		case Done:
			if i := slices.Index(h.sent, r.Tag); i >= 0 {
				h.sent = slices.Delete(h.sent, i, i+1)
				_ = h.dev.answer(r.Tag, errnoOf(r.Errno), ioctlOut{Result: max(r.FD, 0)}) // who has gone needs no answer
			}
		case Ready:
			h.poll = r.Poll
			h.wake()
		}
		h.mu.Unlock()
	}
}

// errnoOf is an errno that the sentry gave, if it is one that FUSE lets pass.
func errnoOf(n int32) unix.Errno {
	const end = 512 // of what Linux tells programs
	if n < 0 || n >= end {
		return unix.EIO
	}
	return unix.Errno(n)
}

// received gives a call to the one who waits longest. mu is held.
func (h *helper) received(r *Reply) {
	if r.Errno != 0 {
		h.end()
		return
	}
	if pid, err := unix.FcntlInt(uintptr(h.owner), unix.F_GETOWN, 0); err == nil && pid > 0 {
		r.Call.PID = uint32(pid)
	}
	h.give(r)
}

// give gives a call to somebody who still waits, or keeps it. mu is held.
func (h *helper) give(r *Reply) {
	for len(h.waiting) > 0 {
		u := h.waiting[0]
		h.waiting = h.waiting[1:]
		if h.dev.answer(u, 0, ioctlOut{}, r.Call) == nil {
			h.ask()
			return
		}
	}
	h.kept = r
	h.wake()
}

// ask has the sentry tell of the next call, if somebody waits for one. mu is held.
func (h *helper) ask() {
	if len(h.waiting) > 0 && !h.asked {
		h.asked = true
		if h.line.Ask(&Request{Kind: Receive}) != nil {
			h.end()
		}
	}
}

// serveDevice handles what the agent does.
func (h *helper) serveDevice() error {
	buf := make([]byte, minBuffer)
	for {
		r, err := h.dev.next(buf)
		if err != nil {
			return err
		}
		if ok, err := h.dev.plain(&r); ok || err != nil {
			continue // an error is that who asked has gone
		}
		h.mu.Lock()
		errno := h.special(&r)
		h.mu.Unlock()
		if errno != 0 {
			_ = h.dev.answer(r.header.Unique, errno)
		}
	}
}

// special handles what other files are not asked. The request is answered here, or
// later, if there is no errno. mu is held.
func (h *helper) special(r *request) unix.Errno {
	switch r.header.Op {
	case opIoctl:
		var in ioctlIn
		n, err := binary.Decode(r.body, binary.NativeEndian, &in)
		if err != nil || len(r.body)-n < int(in.InSize) {
			return unix.EINVAL
		}
		return h.ioctl(r, in.Cmd, r.body[n:])
	case opPoll:
		var in pollIn
		if _, err := binary.Decode(r.body, binary.NativeEndian, &in); err != nil {
			return unix.EINVAL
		}
		if in.Flags&pollNotify != 0 && !slices.Contains(h.polls, in.Handle) && len(h.polls) < maxPolls {
			h.polls = append(h.polls, in.Handle)
		}
		_ = h.dev.answer(r.header.Unique, 0, h.ready(), uint32(0))
		return 0
	case opInterrupt:
		if len(r.body) < 8 {
			return 0 // which has no answer
		}
		u := binary.NativeEndian.Uint64(r.body)
		if i := slices.Index(h.waiting, u); i >= 0 {
			h.waiting = slices.Delete(h.waiting, i, i+1)
			_ = h.dev.answer(u, unix.EINTR)
		}
		return 0
	}
	return unix.ENOSYS
}

// ready is what poll(2) says. mu is held.
func (h *helper) ready() uint32 {
	poll := h.poll
	if h.kept != nil {
		poll |= unix.POLLIN | pollRdNorm
	}
	if h.over {
		poll |= unix.POLLHUP
	}
	return poll
}

// ioctl handles an ioctl. mu is held.
func (h *helper) ioctl(req *request, cmd uint32, in []byte) unix.Errno {
	unique := req.header.Unique
	switch cmd {
	case notifReceive:
		switch {
		case slices.ContainsFunc(in, func(b byte) bool { return b != 0 }):
			return unix.EINVAL
		case h.over && h.kept == nil:
			return unix.ENOENT
		case len(h.waiting) >= maxWaiting:
			return unix.EBUSY
		}
		h.waiting = append(h.waiting, unique)
		if kept := h.kept; kept != nil {
			h.kept = nil
			h.give(kept)
			return 0
		}
		h.ask()
		return 0
	case notifSend:
		var a struct {
			ID    uint64
			Value int64
			Errno int32
			Flags uint32
		}
		if _, err := binary.Decode(in, binary.NativeEndian, &a); err != nil {
			return unix.EINVAL
		}
		return h.forward(&Request{Kind: Answer, Tag: unique, ID: a.ID, Value: a.Value, Errno: a.Errno, Flags: a.Flags})
	case notifValid:
		if len(in) < 8 {
			return unix.EINVAL
		}
		return h.forward(&Request{Kind: Valid, Tag: unique, ID: binary.NativeEndian.Uint64(in)})
	}
	if cmd&addFDMask == notifAddFD {
		return h.hand(req, in)
	}
	return unix.EINVAL
}

// forward asks the sentry, whose answer is the ioctl's. mu is held.
func (h *helper) forward(r *Request) unix.Errno { return h.forwardBy(r, h.line.Ask) }

// forwardBy is forward, with the function that sends the request. mu is held.
func (h *helper) forwardBy(r *Request, ask func(*Request) error) unix.Errno {
	switch {
	case h.over:
		return unix.ENOENT
	case len(h.sent) >= maxWaiting:
		return unix.EBUSY
	case ask(r) != nil:
		return unix.ENOENT
	}
	h.sent = append(h.sent, r.Tag)
	return 0
}
