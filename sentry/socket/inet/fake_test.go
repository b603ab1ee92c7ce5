package inet

import (
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/auth"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
)

// fake is an endpoint that keeps what was sent and gives what it was told to.
type fake struct {
	family, typ, proto int

	sent  []byte
	meta  stack.SendMeta // of the last send
	err   error          // of the next call
	give  []byte         // what a receive gives
	in    stack.RecvMeta // and with what
	asked int            // the flags of the last receive

	ready  uint32
	wake   func(uint32)
	bound  stack.Address
	peer   stack.Address
	opt    map[[2]int][]byte
	linger time.Duration
	closed bool
	queue  []*fake
}

func (f *fake) take() error {
	err := f.err
	f.err = nil
	return err
}

func (f *fake) Bind(a stack.Address, privileged bool) error { f.bound = a; return f.take() }
func (f *fake) Connect(a stack.Address) error               { f.peer = a; return f.take() }
func (f *fake) Listen(int) error                            { return f.take() }
func (f *fake) Accept() (stack.Socket, stack.Address, error) {
	if len(f.queue) == 0 {
		return nil, stack.Address{}, unix.EAGAIN
	}
	c := f.queue[0]
	f.queue = f.queue[1:]
	return c, c.peer, nil
}
func (f *fake) Shutdown(int) error            { return f.take() }
func (f *fake) Name() (stack.Address, error)  { return f.bound, f.take() }
func (f *fake) Peer() (stack.Address, error)  { return f.peer, f.take() }
func (f *fake) Ready() uint32                 { return f.ready }
func (f *fake) SetWake(w func(events uint32)) { f.wake = w }
func (f *fake) Buffers() (int, int)           { return 1, 1 }
func (f *fake) Family() int                   { return f.family }
func (f *fake) Type() int                     { return f.typ }
func (f *fake) Protocol() int                 { return f.proto }
func (f *fake) SetInode(uint64)               {}
func (f *fake) Info() stack.SocketInfo        { return stack.SocketInfo{} }
func (f *fake) Close() time.Duration          { f.closed = true; return f.linger }
func (f *fake) Ioctl(cmd uint32) (int, error) { return 42, f.take() }

func (f *fake) Send(src io.Reader, n int, m *stack.SendMeta) (int, error) {
	if err := f.take(); err != nil {
		return 0, err
	}
	f.meta = *m
	if m.To != nil {
		to := *m.To
		f.meta.To = &to
	}
	f.sent = f.sent[:min(n, cap(f.sent))]
	if cap(f.sent) < n {
		f.sent = make([]byte, n)
	}
	return io.ReadFull(src, f.sent)
}

func (f *fake) Recv(dst io.Writer, n int, m *stack.RecvMeta) (int, error) {
	f.asked = m.Flags
	if err := f.take(); err != nil {
		return 0, err
	}
	*m = f.in
	k := min(n, len(f.give))
	return dst.Write(f.give[:k])
}

func (f *fake) SetOption(level, name int, v []byte, admin, raw bool) error {
	f.opt[[2]int{level, name}] = v
	return f.take()
}

func (f *fake) Option(level, name, max int, in []byte) ([]byte, error) {
	if v, ok := f.opt[[2]int{level, name}]; ok {
		return v, nil
	}
	return nil, unix.ENOPROTOOPT
}

var _ stack.Socket = (*fake)(nil)

// made is a socket over a fake endpoint, and a caller.
func made(t *testing.T, family, typ int) (*Sock, *fake, *currenttest.Task) {
	t.Helper()
	ns := socket.NewNetNS(auth.NewRootNamespace(), 1)
	task := currenttest.New(1 << 16)
	task.Creds.UserNS = ns.User
	f := &fake{family: family, typ: typ, opt: map[[2]int][]byte{}}
	if typ == unix.SOCK_DGRAM {
		f.proto = unix.IPPROTO_UDP
	}
	return New(ns, nil, new(Cookies)).wrap(f), f, task
}
