package stack

import (
	"golang.org/x/sys/unix"

	"hull/netstack/tcp"
)

// Ready returns the events that hold, as tcp_poll has them.
func (t *tcpSocket) Ready() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase == tcpListening {
		if len(t.listener.ready) > 0 {
			return unix.EPOLLIN | unix.EPOLLRDNORM
		}
		return 0
	}
	var ev uint32
	if t.err != 0 || t.errs.Len() > 0 {
		ev |= unix.EPOLLERR
	}
	if t.conn == nil {
		if t.opts.deferred != nil {
			return ev | unix.EPOLLOUT | unix.EPOLLWRNORM
		}
		return ev | unix.EPOLLOUT | unix.EPOLLWRNORM | unix.EPOLLHUP
	}
	s := t.conn.State()
	if t.rdShut && t.wrShut || s == tcp.Closed || s == tcp.TimeWaiting {
		ev |= unix.EPOLLHUP
	}
	if t.rdShut {
		ev |= unix.EPOLLIN | unix.EPOLLRDNORM | unix.EPOLLRDHUP
	}
	if s == tcp.SynSent || s == tcp.SynReceived && t.parent == nil && !t.completedOnce {
		return ev
	}
	if t.conn.HasUrgent() {
		ev |= unix.EPOLLPRI
	}
	if n := t.conn.Readable(); n > 0 && n >= min(t.rcvLowat, max(t.rcvBuf/2, 1)) {
		ev |= unix.EPOLLIN | unix.EPOLLRDNORM
	}
	if t.wrShut || t.writable() {
		ev |= unix.EPOLLOUT | unix.EPOLLWRNORM
	} else {
		t.noSpace = true
	}
	return ev
}

// writable reports whether so much room is free that it is worth writing: a third
// of the buffer. The caller holds the lock.
func (t *tcpSocket) writable() bool {
	switch t.conn.State() {
	case tcp.Closed, tcp.TimeWaiting:
		return true
	case tcp.SynSent, tcp.SynReceived:
		return false
	}
	if t.stack.tcpFull() && t.conn.Queued() > 0 {
		return false
	}
	return t.conn.Space() >= t.conn.Queued()/2 && t.conn.Space() > 0 && t.conn.NotSent() < t.notSentLowat()
}

// siocOutqNSD is SIOCOUTQNSD, which x/sys lacks.
const siocOutqNSD = 0x894b

// Ioctl answers SIOCINQ, SIOCOUTQ, SIOCOUTQNSD and SIOCATMARK.
func (t *tcpSocket) Ioctl(cmd uint32) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch cmd {
	case unix.TIOCINQ, unix.SIOCATMARK, unix.TIOCOUTQ, siocOutqNSD:
	default:
		return 0, enoioctlcmd
	}
	if t.phase == tcpListening && cmd != unix.SIOCATMARK {
		return 0, unix.EINVAL
	}
	if t.conn == nil {
		return 0, nil
	}
	switch cmd {
	case unix.TIOCINQ:
		return t.inq(), nil
	case unix.SIOCATMARK:
		return bit(t.conn.AtMark()), nil
	}
	if s := t.conn.State(); s == tcp.SynSent || s == tcp.SynReceived {
		return 0, nil
	}
	if cmd == siocOutqNSD {
		return t.conn.NotSent(), nil
	}
	return t.conn.Queued(), nil
}

// Inq implements Stream.
func (t *tcpSocket) Inq() (n int, ended bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase == tcpListening {
		return 0, false, unix.ENOTCONN
	}
	return t.inq(), t.conn != nil && t.conn.PeerClosed(), nil
}

// inq is how many bytes can be read without passing the urgent one.
func (t *tcpSocket) inq() int {
	if t.conn == nil {
		return 0
	}
	if s := t.conn.State(); s == tcp.SynSent || s == tcp.SynReceived {
		return 0
	}
	return t.conn.BeforeMark()
}
