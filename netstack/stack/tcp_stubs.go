package stack

import (
	"golang.org/x/sys/unix"
)

// tcpState is what the sockets of TCP share.
type tcpState struct{}

func (t *tcpState) init(s *Stack) {}

func (s *Stack) newTCPSocket(family int, o Owner) (Socket, error) {
	return nil, unix.EPROTONOSUPPORT
}

// tcpUnmatched takes a segment for which there is no connection: r is for the
// listener of b, or for nobody if b is nil. It owns r.pkt.
func (s *Stack) tcpUnmatched(now int64, b *binding, r *received) { r.pkt.Release() }
