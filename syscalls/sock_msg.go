package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// msghdr is struct user_msghdr.
type msghdr struct {
	Name       uint64
	Namelen    int32
	_          int32
	Iov        uint64
	Iovlen     uint64
	Control    uint64
	Controllen uint64
	Flags      int32
	_          int32
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	Hdr msghdr
	Len uint32
	_   uint32
}

const sizeofMmsghdr = 64

// msgFastOpen is MSG_FASTOPEN.
const msgFastOpen = 0x20000000

// send sends src and raises SIGPIPE where Linux does. A stream goes on until
// all is sent.
func send(t *kernel.Task, f *vfs.File, s socket.Socket, src usermem.Buffer, m *socket.Message) (int64, error) {
	flags := m.Flags
	var done int64
	err := retrySocket(t, f, s, flags, true, func() error {
		for {
			n, err := s.Send(t, src, m)
			if err == unix.EINPROGRESS && flags&(msgFastOpen|unix.MSG_DONTWAIT) == msgFastOpen && !nonblocking(f) {
				// It opens the connection, and no data could leave yet.
				if err = finishConnect(t, f, s, m.Addr, err); err == nil {
					m.Flags &^= msgFastOpen
					if src.Len() > 0 {
						continue
					}
				}
				return err
			}
			if err == nil && n > 0 && m.Flags&(msgFastOpen|unix.MSG_DONTWAIT) == msgFastOpen && !nonblocking(f) {
				// The handshake is waited for all the same.
				if err := finishConnect(t, f, s, m.Addr, unix.EINPROGRESS); err != nil {
					return err
				}
				m.Flags &^= msgFastOpen
			}
			done += n
			src.Skip(uint64(n))
			if err != nil || n == 0 || src.Len() == 0 || s.Type() != unix.SOCK_STREAM {
				return err
			}
		}
	})
	m.Drop(t)
	if done > 0 {
		return done, nil
	}
	if err == unix.EPIPE && flags&unix.MSG_NOSIGNAL == 0 && s.Type() != unix.SOCK_DGRAM {
		t.Signal(int(unix.SIGPIPE))
	}
	return 0, err
}

// sendto is sendto(2), and send(2) with it.
func sendto(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	m := t.Message()
	m.Flags = a[3].Int()
	if a[4] != 0 {
		if m.Addr, err = inSockaddr(t, usermem.Addr(a[4]), a[5].Int(), m.Store[:]); err != nil {
			return 0, err
		}
	}
	n, err := send(t, f, s, usermem.One(t.Mem(), usermem.Addr(a[1]), a[2].Size()), m)
	return uintptr(n), err
}

// sendmsg is sendmsg(2).
func sendmsg(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	h, err := usermem.In[msghdr](t.Mem(), usermem.Addr(a[1]))
	if err != nil {
		return 0, err
	}
	n, err := sendHeader(t, f, s, &h, a[2].Int())
	return uintptr(n), err
}

func sendHeader(t *kernel.Task, f *vfs.File, s socket.Socket, h *msghdr, flags int32) (int64, error) {
	src, err := headerBuffer(t, h)
	if err != nil {
		return 0, err
	}
	m := t.Message()
	m.Flags = flags
	if h.Name != 0 && h.Namelen != 0 {
		if m.Addr, err = inSockaddr(t, usermem.Addr(h.Name), h.Namelen, m.Store[:]); err != nil {
			return 0, err
		}
	}
	if err := inControl(t, s, h, m); err != nil {
		m.Drop(t)
		return 0, err
	}
	return send(t, f, s, src, m)
}

func headerBuffer(t *kernel.Task, h *msghdr) (usermem.Buffer, error) {
	if h.Iovlen > usermem.MaxIovecs {
		return usermem.Buffer{}, unix.EMSGSIZE
	}
	rs, err := usermem.Iovecs(t.Mem(), usermem.Addr(h.Iov), int(h.Iovlen))
	return usermem.Vec(t.Mem(), rs), err
}

// maxBatch is how many messages sendmmsg and recvmmsg take (UIO_MAXIOV).
const maxBatch = 1024

// sendmmsg is sendmmsg(2).
func sendmmsg(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	addr, n := usermem.Addr(a[1]), min(a[2].Uint(), maxBatch)
	for i := range n {
		at := addr + usermem.Addr(i)*sizeofMmsghdr
		h, err := usermem.In[mmsghdr](t.Mem(), at)
		var sent int64
		if err == nil {
			sent, err = sendHeader(t, f, s, &h.Hdr, a[3].Int())
		}
		if err == nil {
			got := uint32(sent)
			err = usermem.Out(t.Mem(), at+56, &got)
		}
		if err != nil {
			if i > 0 {
				return uintptr(i), nil
			}
			return 0, err
		}
	}
	return uintptr(n), nil
}

// recv receives into dst. A stream that blocks goes on until there is as much as
// the caller waits for.
func recv(t *kernel.Task, f *vfs.File, s socket.Socket, dst usermem.Buffer, m *socket.Message, flags int32) (int64, error) {
	var done int64
	least := leastOf(f, s, dst.Len(), flags)
	if least > 1 && flags&unix.MSG_PEEK != 0 {
		return peek(t, f, s, dst, m, flags, least)
	}
	err := retrySocket(t, f, s, flags, false, func() error {
		for {
			m.Flags, m.Items = flags, nil
			n, err := s.Recv(t, dst, m)
			if err != nil {
				return err
			}
			done += n
			if n == 0 || done >= least || len(m.Files) > 0 {
				return nil
			}
			dst.Skip(uint64(n))
		}
	})
	if done > 0 {
		return done, nil
	}
	return 0, err
}

// leastOf is how many bytes a receive into n bytes waits for (sock_rcvlowat): of a
// stream that blocks all with MSG_WAITALL, otherwise SO_RCVLOWAT.
func leastOf(f *vfs.File, s socket.Socket, n uint64, flags int32) int64 {
	if s.Type() != unix.SOCK_STREAM || flags&(unix.MSG_DONTWAIT|unix.MSG_ERRQUEUE|unix.MSG_OOB) != 0 || nonblocking(f) {
		return 0
	}
	least := int64(min(n, maxTransfer))
	if low, ok := s.(vfs.LowWater); ok && flags&unix.MSG_WAITALL == 0 {
		return min(least, int64(low.LowWater()))
	}
	if flags&unix.MSG_WAITALL == 0 {
		return 0
	}
	return least
}

// maxTransfer is the most that one call moves (MAX_RW_COUNT).
const maxTransfer = 0x7ffff000

// peek receives with MSG_PEEK and waits for least bytes. When the wait ends by a
// time-out or a signal, what there is is returned, if there is anything.
func peek(t *kernel.Task, f *vfs.File, s socket.Socket, dst usermem.Buffer, m *socket.Message, flags int32, least int64) (n int64, err error) {
	try := func() (err error) {
		m.Drop(t)
		m.Flags, m.Items = flags, nil
		n, err = s.Recv(t, dst, m)
		return err
	}
	m.Least = least
	err = retrySocket(t, f, s, flags, false, try)
	m.Least = 0
	if err == nil {
		return n, nil
	}
	if try() == nil {
		return n, nil
	}
	return 0, err
}

// recvfrom is recvfrom(2), and recv(2) with it.
func recvfrom(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	m := t.Message()
	n, err := recv(t, f, s, usermem.One(t.Mem(), usermem.Addr(a[1]), a[2].Size()), m, a[3].Int())
	m.Drop(t)
	if err != nil {
		return 0, err
	}
	if a[4] != 0 {
		if err := outSockaddr(t, usermem.Addr(a[4]), usermem.Addr(a[5]), m.Addr); err != nil {
			return 0, err
		}
	}
	return uintptr(n), nil
}

// recvmsg is recvmsg(2).
func recvmsg(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	n, _, err := recvHeader(t, f, s, usermem.Addr(a[1]), a[2].Int())
	return uintptr(n), err
}

// recvHeader receives into the struct msghdr at addr, and returns its flags too.
func recvHeader(t *kernel.Task, f *vfs.File, s socket.Socket, addr usermem.Addr, flags int32) (n int64, result int32, err error) {
	h, err := usermem.In[msghdr](t.Mem(), addr)
	if err != nil {
		return 0, 0, err
	}
	dst, err := headerBuffer(t, &h)
	if err != nil {
		return 0, 0, err
	}
	if h.Namelen < 0 {
		return 0, 0, unix.EINVAL
	}
	m := t.Message()
	n, err = recv(t, f, s, dst, m, flags)
	if err != nil {
		return 0, 0, err
	}
	defer m.Drop(t)
	if h.Name != 0 {
		if _, err := t.Mem().CopyOut(usermem.Addr(h.Name), m.Addr[:min(len(m.Addr), int(h.Namelen))]); err != nil {
			return 0, 0, err
		}
		h.Namelen = int32(len(m.Addr))
	}
	h.Controllen, err = outControl(t, &h, m, flags)
	if err != nil {
		return 0, 0, err
	}
	h.Flags = m.Flags & (unix.MSG_OOB | unix.MSG_EOR | unix.MSG_TRUNC | unix.MSG_CTRUNC | unix.MSG_ERRQUEUE)
	if flags&unix.MSG_CMSG_CLOEXEC != 0 {
		h.Flags |= unix.MSG_CMSG_CLOEXEC
	}
	return n, h.Flags, usermem.Out(t.Mem(), addr, &h)
}

// recvmmsg is recvmmsg(2). The time-out is looked at after each message, as on
// Linux, and what is left of it is told.
func recvmmsg(t *kernel.Task, a arch.Args) (uintptr, error) {
	f, s, err := socketAt(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	var end time.Time
	if a[4] != 0 {
		ts, err := usermem.In[unix.Timespec](t.Mem(), usermem.Addr(a[4]))
		if err != nil {
			return 0, err
		}
		if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
			return 0, unix.EINVAL
		}
		end = time.Now().Add(time.Duration(min(ts.Sec, 1<<32))*time.Second + time.Duration(ts.Nsec))
	}
	n, err := recvBatch(t, f, s, usermem.Addr(a[1]), min(a[2].Uint(), maxBatch), a[3].Int(), end)
	if n > 0 && !end.IsZero() {
		left := unix.NsecToTimespec(int64(max(time.Until(end), 0)))
		if err := usermem.Out(t.Mem(), usermem.Addr(a[4]), &left); err != nil {
			return 0, err
		}
	}
	return uintptr(n), err
}

// recvBatch receives up to n messages into the array at addr.
func recvBatch(t *kernel.Task, f *vfs.File, s socket.Socket, addr usermem.Addr, n uint32, flags int32, end time.Time) (uint32, error) {
	for i := range n {
		at := addr + usermem.Addr(i)*sizeofMmsghdr
		got, result, err := recvHeader(t, f, s, at, flags&^unix.MSG_WAITFORONE)
		if err == nil {
			l := uint32(got)
			err = usermem.Out(t.Mem(), at+56, &l)
		}
		if err != nil {
			if i > 0 {
				return i, nil
			}
			return 0, err
		}
		if flags&unix.MSG_WAITFORONE != 0 {
			flags |= unix.MSG_DONTWAIT
		}
		if result&unix.MSG_OOB != 0 || !end.IsZero() && !time.Now().Before(end) {
			return i + 1, nil
		}
	}
	return n, nil
}
