package notify

import (
	"encoding/binary"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"hull/sentry/seccomp"
	"hull/sentry/wait"
)

// The ioctls of linux/seccomp.h.
const (
	notifReceive  = 0xc0502100
	notifSend     = 0xc0182101
	notifValid    = 0x40082102
	notifValidOld = 0x80082102 // with the direction the wrong way round
	notifFlags    = 0x40082104
)

// notification is struct seccomp_notif.
type notification struct {
	ID         uint64
	PID, Flags uint32
	Data       seccomp.Data
}

// response is struct seccomp_notif_resp.
type response struct {
	ID    uint64
	Value int64
	Errno int32
	Flags uint32
}

// maxWaiting bounds the threads of the agent that wait for a call at once.
const maxWaiting = 1024

// server is one file with its listener. Requests are read by one goroutine; a
// second one gives calls to who waits for them.
type server struct {
	dev device
	l   *seccomp.Listener

	wake chan struct{} // holds a token after an event of l
	open int           // how many open files there are; of the goroutine that reads

	mu      sync.Mutex // guards what follows, and orders the replies of waiting
	waiting []uint64   // requests that wait for a call, oldest first
	polls   map[uint64]bool
}

// Serve answers the requests of dev, which it takes over, until the agent has
// closed its file: then l has nobody any more.
func Serve(dev int, l *seccomp.Listener) error {
	s := &server{dev: device{fd: dev}, l: l, wake: make(chan struct{}, 1), open: 1, polls: map[uint64]bool{}}
	e := wait.Entry{Listener: s}
	l.Register(&e, wait.All)
	end := make(chan struct{})
	var second sync.WaitGroup
	second.Go(func() {
		for {
			select {
			case <-s.wake:
				s.events()
			case <-end:
				return
			}
		}
	})
	err := s.requests()
	l.Unregister(&e)
	close(end)
	second.Wait()
	l.Close()
	_ = unix.Close(dev) // nothing was buffered
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// Notify implements wait.Listener.
func (s *server) Notify(wait.Mask) {
	select {
	case s.wake <- struct{}{}:
	default: // it will be seen together with the one before
	}
}

// requests reads and answers until the file is gone.
func (s *server) requests() error {
	for {
		r, err := s.dev.next()
		if err != nil {
			return err
		}
		if r.op == opOpen {
			s.open++ // by /proc/PID/fd
		}
		known, err := s.dev.common(r)
		if !known {
			err = s.answer(r)
		}
		// Who asked may have given up: the request is gone then.
		if err != nil && err != unix.ENOENT {
			return err
		}
	}
}

func (s *server) answer(r request) error {
	switch r.op {
	case opIoctl:
		return s.ioctl(r)
	case opPoll:
		return s.poll(r)
	case opInterrupt:
		return s.interrupt(r)
	case opRelease:
		if s.open--; s.open == 0 {
			s.l.Close() // nobody answers any more
		}
	}
	return s.dev.reply(r.unique, 0)
}

// ioctl answers FUSE_IOCTL: the argument's structure is in the request.
func (s *server) ioctl(r request) error {
	const header = 32 // of struct fuse_ioctl_in
	if len(r.body) < header {
		return s.dev.reply(r.unique, unix.EINVAL)
	}
	cmd, arg, in := binary.NativeEndian.Uint32(r.body[12:]), binary.NativeEndian.Uint64(r.body[16:]), r.body[header:]
	switch cmd {
	case notifReceive:
		var n notification
		if decode(in, &n) && n == (notification{}) {
			return s.receive(r.unique)
		}
	case notifSend:
		var a response
		if decode(in, &a) {
			return s.result(r.unique, s.send(&a))
		}
	case notifValid:
		var id uint64
		if decode(in, &id) {
			return s.result(r.unique, s.l.Valid(id))
		}
	case notifValidOld:
		// Its number says that nothing is to be read: the structure did not come.
	case notifFlags:
		const known = 1 // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, a hint to the scheduler
		if arg&^known == 0 {
			return s.result(r.unique, nil)
		}
	}
	return s.dev.reply(r.unique, unix.EINVAL)
}

func decode(b []byte, v any) bool {
	_, err := binary.Decode(b, binary.NativeEndian, v)
	return err == nil
}

// result ends an ioctl that has nothing to tell.
func (s *server) result(unique uint64, err error) error {
	var errno unix.Errno
	if err != nil && !errors.As(err, &errno) {
		errno = unix.EIO
	}
	return s.dev.reply(unique, errno, &ioctlReply{})
}

// send ends a call as the agent says.
func (s *server) send(a *response) error {
	const goOn = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	if a.Flags&^goOn != 0 || a.Flags != 0 && (a.Errno != 0 || a.Value != 0) {
		return unix.EINVAL
	}
	return s.l.Answer(a.ID, seccomp.Answer{Value: a.Value, Errno: a.Errno, Continue: a.Flags != 0})
}

// receive gives the agent a call, or has it wait for one.
func (s *server) receive(unique uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxWaiting {
		return s.dev.reply(unique, unix.ENOMEM)
	}
	s.waiting = append(s.waiting, unique)
	return s.feed()
}

// feed gives calls to those who wait, as far as there are calls. mu is held.
func (s *server) feed() error {
	for len(s.waiting) > 0 {
		c, err := s.l.Receive()
		if err == unix.EAGAIN {
			return nil
		}
		unique := s.waiting[0]
		s.waiting = s.waiting[1:]
		if err != nil {
			err = s.result(unique, err)
		} else if err = s.dev.reply(unique, 0, &ioctlReply{}, &notification{ID: c.ID, Data: c.Data}); err != nil {
			s.l.Return(c)
		}
		if err != nil && err != unix.ENOENT {
			return err
		}
	}
	return nil
}

// interrupt ends the waiting of a thread that has a signal. It has no reply of its
// own.
func (s *server) interrupt(r request) error {
	var of uint64
	if !decode(r.body, &of) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, unique := range s.waiting {
		if unique == of {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return s.dev.reply(unique, unix.EINTR)
		}
	}
	return nil // it was answered meanwhile
}

// poll answers FUSE_POLL, and notes whom to wake.
func (s *server) poll(r request) error {
	var in struct {
		File, Handle  uint64
		Flags, Events uint32
	}
	if !decode(r.body, &in) {
		return s.dev.reply(r.unique, unix.EINVAL)
	}
	const schedule = 1 // FUSE_POLL_SCHEDULE_NOTIFY
	if in.Flags&schedule != 0 {
		s.mu.Lock()
		s.polls[in.Handle] = true // one number for each open file: there is one
		s.mu.Unlock()
	}
	return s.dev.reply(r.unique, 0, &pollReply{Ready: uint32(s.l.Readiness(wait.All))})
}

// events is what an event of the listener causes.
func (s *server) events() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.feed() // the reader will see that the device is gone
	for handle := range s.polls {
		_ = s.dev.wake(handle) // one that is gone needs none
	}
	clear(s.polls)
}
