package inet

import (
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/wait"
)

// zeroCopy are the completions of messages sent with MSG_ZEROCOPY, for a socket
// that has SO_ZEROCOPY; those of a stream come from the stack. The bytes were copied, which a completion may say, so each is
// done when the call returns.
//
// Sends are numbered from 0. What is told is a range of numbers that nobody was
// told of yet.
type zeroCopy struct {
	waiting atomic.Bool // there is something to be told

	mu   lock.Mutex[lock.Leaf]
	on   bool   // guarded by mu: SO_ZEROCOPY
	told uint32 // guarded by mu: sends before it are told
	sent uint32 // guarded by mu: sends made
}

// set is SO_ZEROCOPY.
func (z *zeroCopy) set(on bool) {
	z.mu.Lock()
	z.on = on
	z.mu.Unlock()
}

// done counts a send. It is false if nobody is to be told.
func (z *zeroCopy) done() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.on {
		z.sent++
		z.waiting.Store(true)
	}
	return z.on
}

// pending reports whether there is something to be told.
func (z *zeroCopy) pending() bool { return z.waiting.Load() }

// take returns the first and last of the sends that are told now.
func (z *zeroCopy) take() (first, last uint32, ok bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.sent == z.told {
		return 0, 0, false
	}
	first, last, z.told = z.told, z.sent-1, z.sent
	z.waiting.Store(false)
	return first, last, true
}

// sentZeroCopy counts a send with MSG_ZEROCOPY and tells who polls.
func (s *Sock) sentZeroCopy() {
	if s.zero.done() {
		s.queue.Notify(wait.Err)
	}
}

// recvZeroCopy makes the control message of completions, if there are any.
func (s *Sock) recvZeroCopy(m *socket.Message) bool {
	const origin, copied = 5, 1 // SO_EE_ORIGIN_ZEROCOPY, SO_EE_CODE_ZEROCOPY_COPIED
	first, last, ok := s.zero.take()
	if !ok {
		return false
	}
	b := make([]byte, sizeofExtendedErr, sizeofExtendedErr+sizeofIn6)
	b[4], b[6] = origin, copied
	binary.LittleEndian.PutUint32(b[8:], first)
	binary.LittleEndian.PutUint32(b[12:], last)
	m.Flags = unix.MSG_ERRQUEUE
	if s.Family() == unix.AF_INET6 {
		add(m, unix.SOL_IPV6, unix.IPV6_RECVERR, b[:cap(b)])
	} else {
		add(m, unix.SOL_IP, unix.IP_RECVERR, b[:sizeofExtendedErr+sizeofIn])
	}
	return true
}
