package hostinet

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/socket"
	"hull/sentry/usermem"
)

func TestInfo(t *testing.T) {
	w := newWorld(t, 100)
	c, s := w.pair()
	l := w.bound(unix.SOCK_STREAM)
	ok(t, l.Listen(w.task, 3))
	s.SetInode(77)
	w.send(c, "four")
	for s.Info().RxQueue != 4 {
	}
	i := s.Info()
	if i.State != tcpEstablished || i.Inode != 77 || i.Local != c.Info().Remote || i.Remote.Port() != portOf(t, c) || len(i.TCPInfo) < 100 || i.Congestion == "" {
		t.Errorf("a connection: %+v", i)
	}
	if i := l.Info(); i.State != tcpListen || i.TxQueue != 3 || i.RxQueue != 0 || i.Local.Port() != portOf(t, l) || i.Remote.Port() != 0 || !i.Remote.Addr().IsUnspecified() {
		t.Errorf("a listener: %+v", i)
	}
	if all := w.n.Sockets(); len(all) != 4 || all[3] != l {
		t.Errorf("%d sockets", len(all))
	}
	gone, err := w.n.Family(unix.AF_INET).Socket(w.task, unix.SOCK_DGRAM, 0)
	ok(t, err)
	ok(t, gone.Bind(w.task, loopback4(0)))
	gone.Release(w.task, nil)
	// Its descriptor may be another one's by now.
	if i := gone.(*Sock).Info(); i.Local.IsValid() || i.RecvBuffer != 0 || i.Type != unix.SOCK_DGRAM {
		t.Errorf("one that was closed: %+v", i)
	}
	_, err = s.Recv(w.task, usermem.BytesBuffer(make([]byte, 9)), &socket.Message{})
	ok(t, err)
}
