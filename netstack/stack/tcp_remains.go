package stack

import (
	"time"

	"golang.org/x/sys/unix"
)

// remains is a connection in TIME_WAIT as it is listed: nobody has it any more, so
// there is nothing that could be done with it.
type remains struct{ w *timeWait }

// tcpUnowned yields what no user has of a family: connections that are being
// opened at a listener, and those in TIME_WAIT.
func (s *Stack) tcpUnowned(family int, yield func(Listed) bool) bool {
	for _, t := range s.demux.transports() {
		switch t := t.(type) {
		case *timeWait:
			if t.family == family && !yield(remains{t}) {
				return false
			}
		case *tcpSocket:
			t.mu.Lock()
			half := t.fresh && t.Family() == family
			t.mu.Unlock()
			if half && !yield(t) {
				return false
			}
		}
	}
	return true
}

// transports returns the connections of the table.
func (d *demux) transports() []transport {
	var all []transport
	for i := range d.conns {
		sh := &d.conns[i]
		sh.mu.RLock()
		for _, c := range sh.m {
			all = append(all, c.t)
		}
		sh.mu.RUnlock()
	}
	return all
}

// Info is what /proc/net/tcp and sock_diag say.
func (r remains) Info() SocketInfo {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	var show common
	show.family.Store(int32(w.family))
	return SocketInfo{
		Family: w.family, Type: unix.SOCK_STREAM, Protocol: unix.IPPROTO_TCP, Local: show.show(w.own), Remote: show.show(w.peer),
		State: tcpTimeWait, Device: w.device, Timer: 3, Expires: time.Duration(max(0, w.tw.Deadline-w.stack.now())),
	}
}

// tcpTimeWait is Linux's TCP_TIME_WAIT.
const tcpTimeWait = 6

func (r remains) abort(unix.Errno) error {
	r.w.remove()
	return nil
}

func (r remains) Family() int   { return r.w.family }
func (r remains) Type() int     { return unix.SOCK_STREAM }
func (r remains) Protocol() int { return unix.IPPROTO_TCP }

func (r remains) Buffers() (int, int) { return 0, 0 }
