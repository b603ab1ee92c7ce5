package syscalls

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/pidfd"
	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// sockTypeMask is the part of socket(2)'s type that is the type.
const sockTypeMask = 0xf

// maxFamily is Linux's AF_MAX: no family has such a number.
const maxFamily = 46

// socketArgs splits the type argument of socket(2) and its like, and looks at what
// no family could have. A type of 0 is the family's to refuse.
func socketArgs(family, a arch.Arg) (typ int32, flags uint32, err error) {
	flags = a.Uint() &^ sockTypeMask
	if flags&^(unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) != 0 {
		return 0, 0, unix.EINVAL
	}
	if f := family.Int(); f < 0 || f >= maxFamily {
		return 0, 0, unix.EAFNOSUPPORT
	}
	typ = a.Int() & sockTypeMask
	if typ > unix.SOCK_PACKET {
		return 0, 0, unix.EINVAL
	}
	return typ, flags, nil
}

// socketFile makes a description of s. It takes s over.
func socketFile(t *kernel.Task, s socket.Socket, flags uint32) *vfs.File {
	f := vfs.Anonymous(t.Kernel().Anon(), s, "socket", unix.S_IFSOCK|0777,
		unix.O_RDWR|flags&unix.SOCK_NONBLOCK, t.Cred(), true)
	if n, ok := s.(socket.Numbered); ok {
		n.SetInode(f.Path.Inode().Ino)
	}
	return f
}

// installSocket gives s a descriptor.
func installSocket(t *kernel.Task, s socket.Socket, flags uint32) (int32, error) {
	f := socketFile(t, s, flags)
	fd, err := t.Files().Install(f, 0, flags&unix.SOCK_CLOEXEC != 0, t.Limits().Get(unix.RLIMIT_NOFILE).Cur)
	if err != nil {
		f.DecRef(t)
	}
	return fd, err
}

// socketAt returns the socket at a descriptor, with a reference on its file.
func socketAt(t *kernel.Task, a arch.Arg) (*vfs.File, socket.Socket, error) {
	f, err := t.Files().Get(a.Int())
	if err != nil {
		return nil, nil, err
	}
	s, ok := f.Impl().(socket.Socket)
	if !ok {
		f.DecRef(t)
		return nil, nil, unix.ENOTSOCK
	}
	return f, s, nil
}

// newSocket is socket(2).
func newSocket(t *kernel.Task, a arch.Args) (uintptr, error) {
	typ, flags, err := socketArgs(a[0], a[1])
	if err != nil {
		return 0, err
	}
	s, err := t.NetNS().Families.New(t, a[0].Int(), typ, a[2].Int())
	if err != nil {
		return 0, err
	}
	fd, err := installSocket(t, s, flags)
	return uintptr(fd), err
}

// socketpair is socketpair(2).
func socketpair(t *kernel.Task, a arch.Args) (uintptr, error) {
	typ, flags, err := socketArgs(a[0], a[1])
	if err != nil {
		return 0, err
	}
	x, y, err := t.NetNS().Families.NewPair(t, a[0].Int(), typ, a[2].Int())
	if err != nil {
		return 0, err
	}
	var fds [2]int32
	if fds[0], err = installSocket(t, x, flags); err != nil {
		socketFile(t, y, 0).DecRef(t)
		return 0, err
	}
	if fds[1], err = installSocket(t, y, flags); err == nil {
		if err = usermem.Out(t.Mem(), usermem.Addr(a[3]), &fds); err == nil {
			return 0, nil
		}
		_ = t.Files().Close(t, fds[1])
	}
	_ = t.Files().Close(t, fds[0])
	return 0, err
}

// maxSockaddr is the size of struct sockaddr_storage.
const maxSockaddr = 128

// inSockaddr copies an address in, into room if it fits.
func inSockaddr(t *kernel.Task, addr usermem.Addr, n int32, room []byte) ([]byte, error) {
	if n < 0 || n > maxSockaddr {
		return nil, unix.EINVAL
	}
	b := room
	if int(n) > len(room) {
		b = make([]byte, n)
	}
	b = b[:n]
	_, err := t.Mem().CopyIn(addr, b)
	return b, err
}

// outSockaddr copies an address out, cut to the length at lenAddr, and stores
// its real length there.
func outSockaddr(t *kernel.Task, addr, lenAddr usermem.Addr, b []byte) error {
	room, err := usermem.In[int32](t.Mem(), lenAddr)
	if err != nil {
		return err
	}
	if room < 0 {
		return unix.EINVAL
	}
	if _, err := t.Mem().CopyOut(addr, b[:min(len(b), int(room))]); err != nil {
		return err
	}
	n := int32(len(b))
	return usermem.Out(t.Mem(), lenAddr, &n)
}

// bind is bind(2).
func bind(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	addr, err := inSockaddr(t, usermem.Addr(a[1]), a[2].Int(), nil)
	if err != nil {
		return 0, err
	}
	return 0, s.Bind(t, addr)
}

// retrySocket waits for s unless f or flags say not to. What times out is
// EAGAIN, and is not restarted after a signal.
func retrySocket(t *kernel.Task, f *vfs.File, s socket.Socket, flags int32, send bool, try func() error) error {
	if nonblocking(f) || flags&(unix.MSG_DONTWAIT|unix.MSG_ERRQUEUE) != 0 {
		return try()
	}
	mask := wait.Readable | wait.RdHup
	if send {
		mask = wait.Writable
	}
	deadline := deadlineOf(s, send)
	return vfs.TimedError(current.Retry(t, f, mask, deadline, try), deadline)
}

// deadlineOf returns when a wait for s that starts now ends, zero for never.
func deadlineOf(s socket.Socket, send bool) time.Time {
	if w, ok := s.(vfs.Timed); ok {
		return w.Deadline(send)
	}
	return time.Time{}
}

// connect is connect(2).
func connect(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	addr, err := inSockaddr(t, usermem.Addr(a[1]), a[2].Int(), nil)
	if err != nil {
		return 0, err
	}
	err = retrySocket(t, f, s, 0, true, func() error { return s.Connect(t, addr) })
	if (err == unix.EINPROGRESS || err == unix.EALREADY) && !nonblocking(f) {
		err = finishConnect(t, f, s, addr, err)
	}
	return 0, err
}

// finishConnect waits for a connection under way. A wait that times out leaves
// it under way; one that a signal ended goes on with the same call (EALREADY).
func finishConnect(t *kernel.Task, f *vfs.File, s socket.Socket, addr []byte, pending error) error {
	deadline := deadlineOf(s, true)
	err := current.Retry(t, f, wait.Writable, deadline, func() error {
		if f.Readiness(wait.Writable) == 0 {
			return unix.EAGAIN
		}
		switch err := s.Connect(t, addr); err {
		case unix.EALREADY:
			return unix.EAGAIN
		case unix.EISCONN: // another thread was told
			return nil
		default:
			return err
		}
	})
	if err == unix.ETIMEDOUT && !deadline.IsZero() && !time.Now().Before(deadline) {
		return pending
	}
	return vfs.TimedError(err, deadline)
}

// listen is listen(2).
func listen(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return 0, s.Listen(t, int(a[1].Int()))
}

func accept(t *kernel.Task, a arch.Args) (uintptr, error) {
	a[3] = 0
	return accept4(t, a)
}

// accept4 is accept4(2).
func accept4(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[3].Uint()
	if flags&^(unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) != 0 {
		return 0, unix.EINVAL
	}
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	c, err := acceptNext(t, f, s)
	if err != nil {
		return 0, err
	}
	fd, err := installSocket(t, c, flags)
	if err != nil {
		return 0, err
	}
	if addr := usermem.Addr(a[1]); addr != 0 {
		var name []byte
		if from, ok := c.(socket.Accepted); ok {
			name = from.AcceptedFrom()
		} else if name, err = c.Name(true); err != nil {
			err = unix.ECONNABORTED
		}
		if err == nil {
			err = outSockaddr(t, addr, usermem.Addr(a[2]), name)
		}
		if err != nil {
			_ = t.Files().Close(t, fd)
			return 0, err
		}
	}
	return uintptr(fd), nil
}

// acceptNext waits for a connection. Of the tasks that do, one is woken for each.
func acceptNext(t *kernel.Task, f *vfs.File, s socket.Socket) (c socket.Socket, err error) {
	try := func() (err error) {
		c, err = s.Accept(t)
		return err
	}
	if nonblocking(f) {
		err = try()
		return c, err
	}
	w := wait.Waitable(f)
	if x, ok := s.(wait.Exclusive); ok {
		w = oneByOne{f, x}
	}
	deadline := deadlineOf(s, false)
	err = current.Retry(t, w, wait.Readable|wait.RdHup, deadline, try)
	return c, vfs.TimedError(err, deadline)
}

// oneByOne is a file of which waiters are told one at a time.
type oneByOne struct {
	wait.Waitable
	x wait.Exclusive
}

// Register implements wait.Waitable.
func (o oneByOne) Register(e *wait.Entry, mask wait.Mask) { o.x.RegisterExclusive(e, mask) }

// shutdown is shutdown(2).
func shutdown(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	how := a[1].Int()
	if how < unix.SHUT_RD || how > unix.SHUT_RDWR {
		return 0, unix.EINVAL
	}
	return 0, s.Shutdown(t, int(how))
}

func getsockname(t *kernel.Task, a arch.Args) (uintptr, error) { return socketName(t, a, false) }
func getpeername(t *kernel.Task, a arch.Args) (uintptr, error) { return socketName(t, a, true) }

func socketName(t *kernel.Task, a arch.Args, peer bool) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	name, err := s.Name(peer)
	if err != nil {
		return 0, err
	}
	return 0, outSockaddr(t, usermem.Addr(a[1]), usermem.Addr(a[2]), name)
}

// maxOption bounds what setsockopt(2) copies in: no option reads more, and most
// take as much as they know of a longer value.
const maxOption = usermem.PageSize

// setsockopt is setsockopt(2).
func setsockopt(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	n := a[4].Int()
	most := maxOption
	if r, ok := s.(socket.Roomy); ok {
		most = max(most, r.MaxValue(a[1].Int(), a[2].Int()))
	}
	if n < 0 {
		return 0, unix.EINVAL
	}
	b := make([]byte, min(int(n), most))
	if _, err := t.Mem().CopyIn(usermem.Addr(a[3]), b); err != nil {
		return 0, err
	}
	if x, ok := s.(socket.Answering); ok {
		if done, err := x.SetOptionAt(t, a[1].Int(), a[2].Int(), b, usermem.Addr(a[3])); done {
			return 0, err
		}
	}
	return 0, s.SetOption(t, a[1].Int(), a[2].Int(), b)
}

// getsockopt is getsockopt(2).
func getsockopt(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	lenAddr := usermem.Addr(a[4])
	n, err := usermem.In[int32](t.Mem(), lenAddr)
	if err != nil {
		return 0, err
	}
	level, name := a[1].Int(), a[2].Int()
	if n < 0 {
		// To IPv6 it is a large one; others say first if they have the option at all.
		x, ok := s.(socket.InNet)
		asker, asks := s.(socket.Asker)
		if level != unix.SOL_IPV6 || !ok || x.Family() != unix.AF_INET6 || asks && asker.Asks(level, name) {
			return 0, negative(t, s, level, name)
		}
		n = math.MaxInt32
	}
	if p, ok := s.(socket.Peered); ok && level == unix.SOL_SOCKET && name == unix.SO_PEERPIDFD {
		return 0, peerPIDFD(t, p, usermem.Addr(a[3]), n, lenAddr)
	}
	b, err := optionOf(t, s, level, name, usermem.Addr(a[3]), int(n))
	if short, ok := err.(socket.TooShort); ok {
		n = int32(short.Need)
		if err := usermem.Out(t.Mem(), lenAddr, &n); err != nil {
			return 0, err
		}
		return 0, short.Errno
	}
	if err != nil {
		return 0, err
	}
	if level == unix.SOL_SOCKET && name == unix.SO_GET_FILTER {
		return 0, copyOutFilter(t, b, usermem.Addr(a[3]), int(n), lenAddr)
	}
	b = b[:min(len(b), int(n))]
	if _, err := t.Mem().CopyOut(usermem.Addr(a[3]), b); err != nil {
		return 0, err
	}
	n = int32(len(b))
	return 0, usermem.Out(t.Mem(), lenAddr, &n)
}

// peerPIDFD is SO_PEERPIDFD: a pidfd of the process at the other end, or ENODATA.
func peerPIDFD(t *kernel.Task, p socket.Peered, addr usermem.Addr, n int32, lenAddr usermem.Addr) error {
	r, ok := p.PeerProcess().(kernel.PIDRef)
	if !ok {
		return unix.ENODATA
	}
	fd, err := install(t, pidfd.New(t, r, 0), true)
	if err != nil {
		return err
	}
	n = min(n, 4)
	if _, err = t.Mem().CopyOut(addr, binary.LittleEndian.AppendUint32(nil, uint32(fd))[:n]); err == nil {
		err = usermem.Out(t.Mem(), lenAddr, &n)
	}
	if err != nil {
		_ = t.Files().Close(t, int32(fd))
	}
	return err
}

// negative is what getsockopt(2) says to a negative length.
func negative(t *kernel.Task, s socket.Socket, level, name int32) error {
	if level == unix.SOL_RAW || level == unix.SOL_ICMPV6 {
		if _, err := s.Option(t, level, name, 0); err == unix.ENOPROTOOPT || err == unix.EOPNOTSUPP {
			return err
		}
	}
	return unix.EINVAL
}

// copyOutFilter is SO_GET_FILTER, whose lengths count instructions of 8 bytes: with
// room for none only their number is told.
func copyOutFilter(t *kernel.Task, prog []byte, addr usermem.Addr, room int, lenAddr usermem.Addr) error {
	count := int32(len(prog) / 8)
	switch {
	case room > 0 && room < int(count):
		return unix.EINVAL
	case room > 0:
		if _, err := t.Mem().CopyOut(addr, prog); err != nil {
			return err
		}
	}
	return usermem.Out(t.Mem(), lenAddr, &count)
}

// maxQuestion bounds what getsockopt(2) copies in, in bytes.
const maxQuestion = 64 << 10

// optionOf returns an option for a caller with room for n bytes at addr.
func optionOf(t *kernel.Task, s socket.Socket, level, name int32, addr usermem.Addr, n int) ([]byte, error) {
	if level == unix.SOL_SOCKET && name == unix.SO_PEERNAME {
		b, err := s.Name(true)
		switch {
		case err != nil:
			return nil, unix.ENOTCONN
		case len(b) < n:
			return nil, unix.EINVAL
		}
		return b, nil
	}
	if x, ok := s.(socket.Asker); ok && x.Asks(level, name) {
		in := make([]byte, min(n, maxQuestion))
		if _, err := t.Mem().CopyIn(addr, in); err != nil {
			return nil, err
		}
		return x.Answer(t, level, name, in, n)
	}
	return s.Option(t, level, name, n)
}
