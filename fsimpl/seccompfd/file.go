// Package seccompfd has the file on which a supervisor is told of calls that a
// seccomp filter hands to it (seccomp_unotify(2)). What is kept of the calls is
// in sentry/seccomp; here are the ioctls.
package seccompfd

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/seccomp"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// The ioctls of linux/seccomp.h.
const (
	notifReceive  = 0xc0502100
	notifSend     = 0xc0182101
	notifValid    = 0x40082102
	notifValidOld = 0x80082102 // with the direction the wrong way round
	notifAddFD    = 0x2103     // without direction and size, which may grow
	notifFlags    = 0x40082104

	kindMask  = 0xffff
	sizeShift = 16
	sizeMask  = 0x3fff
)

// notification is struct seccomp_notif.
type notification struct {
	ID    uint64
	PID   uint32
	Flags uint32
	Data  seccomp.Data
}

// response is struct seccomp_notif_resp.
type response struct {
	ID    uint64
	Value int64
	Errno int32
	Flags uint32
}

// flagContinue lets the call be made.
const flagContinue = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE

// Addition is struct seccomp_notif_addfd: a descriptor that a supervisor gives.
type Addition struct {
	ID       uint64
	Flags    uint32
	Source   uint32
	FD       uint32
	FDsFlags uint32
}

// Flags of an addition.
const (
	addSet  = 1 << iota // FD is the number that it gets
	addSend             // it is the call's result, too
)

// file is the open file.
type file struct{ *seccomp.Listener }

var _ vfs.FileImpl = file{}

// New makes the file of a listener.
func New(t *kernel.Task, l *seccomp.Listener) *vfs.File {
	return vfs.Anonymous(t.Kernel().Anon(), file{l}, "anon_inode:seccomp notify", 0600, unix.O_RDWR, t.Cred(), true)
}

// Read implements vfs.FileImpl: there is none.
func (file) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) {
	return 0, unix.EINVAL
}

// Write implements vfs.FileImpl: there is none.
func (file) Write(_ current.Task, _ *vfs.File, _ usermem.Buffer, off int64) (int64, int64, error) {
	return 0, off, unix.EINVAL
}

// Release implements vfs.FileImpl.
func (f file) Release(current.Task, *vfs.File) { f.Close() }

// Ioctl implements vfs.FileImpl.
func (f file) Ioctl(ct current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	t, ok := ct.(*kernel.Task)
	if !ok {
		return 0, unix.ENOTTY
	}
	addr := usermem.Addr(arg)
	switch cmd {
	case notifReceive:
		return 0, f.receive(t, addr)
	case notifSend:
		return 0, f.answer(t, addr)
	case notifValid, notifValidOld:
		id, err := usermem.In[uint64](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		return 0, f.Valid(id)
	case notifFlags:
		const known = 1 // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, a hint to the scheduler
		if arg&^known != 0 {
			return 0, unix.EINVAL
		}
		return 0, nil
	}
	if cmd&kindMask == notifAddFD {
		return f.add(t, addr, int(cmd>>sizeShift&sizeMask))
	}
	return 0, unix.EINVAL
}

// receive waits for a call and tells of it. The structure has to be zero.
func (f file) receive(t *kernel.Task, addr usermem.Addr) error {
	n, err := usermem.In[notification](t.Mem(), addr)
	if err != nil {
		return err
	}
	if n != (notification{}) {
		return unix.EINVAL
	}
	var c *seccomp.Call
	err = current.Retry(t, f, wait.In, time.Time{}, func() (err error) {
		c, err = f.Receive()
		return err
	})
	if err != nil {
		return err
	}
	n = notification{ID: c.ID, Data: c.Data}
	if o, ok := c.Task.(*kernel.Task); ok {
		n.PID = uint32(o.TIDIn(t.PIDNS()))
	}
	if err := usermem.Out(t.Mem(), addr, &n); err != nil {
		f.Return(c)
		return err
	}
	return nil
}

// answer ends a call.
func (f file) answer(t *kernel.Task, addr usermem.Addr) error {
	r, err := usermem.In[response](t.Mem(), addr)
	if err != nil {
		return err
	}
	goOn := r.Flags&flagContinue != 0
	if r.Flags&^uint32(flagContinue) != 0 || goOn && (r.Errno != 0 || r.Value != 0) {
		return unix.EINVAL
	}
	return f.Answer(r.ID, seccomp.Answer{Value: r.Value, Errno: r.Errno, Continue: goOn})
}

// add gives a descriptor to the task of a call, and waits until it has it.
func (f file) add(t *kernel.Task, addr usermem.Addr, size int) (uintptr, error) {
	const known = 24 // bytes of an addition
	if size < known || size >= usermem.PageSize {
		return 0, unix.EINVAL
	}
	a, err := usermem.In[Addition](t.Mem(), addr)
	if err != nil {
		return 0, err
	}
	if rest := size - known; rest > 0 {
		b := make([]byte, rest)
		if _, err := t.Mem().CopyIn(addr+known, b); err != nil {
			return 0, err
		}
		for _, v := range b {
			if v != 0 {
				return 0, unix.E2BIG
			}
		}
	}
	if err := a.Check(); err != nil {
		return 0, err
	}
	src, err := t.Files().Get(int32(a.Source))
	if err != nil {
		return 0, err
	}
	defer src.DecRef(t)
	g := a.Gift(func(*kernel.Task) (*vfs.File, error) {
		src.IncRef()
		return src, nil
	})
	if err := f.Offer(a.ID, g); err != nil {
		return 0, err
	}
	var fd int32
	err = current.Retry(t, g, wait.In, time.Time{}, func() (err error) {
		fd, err = g.Result()
		return err
	})
	if err != nil {
		g.Withdraw()
	}
	return uintptr(fd), err
}

// Check is EINVAL for what no addition is.
func (a *Addition) Check() error {
	if a.FDsFlags&^uint32(unix.O_CLOEXEC) != 0 || a.Flags&^uint32(addSet|addSend) != 0 || a.FD != 0 && a.Flags&addSet == 0 {
		return unix.EINVAL
	}
	return nil
}

// Gift is the addition of a file, with a reference, that the task of the call has
// from open.
func (a *Addition) Gift(open func(*kernel.Task) (*vfs.File, error)) *seccomp.Gift {
	return &seccomp.Gift{Send: a.Flags&addSend != 0, Give: func(ct current.Task) (int32, error) {
		t, ok := ct.(*kernel.Task)
		if !ok {
			return 0, unix.ESRCH
		}
		src, err := open(t)
		if err != nil {
			return 0, err
		}
		return a.install(t, src)
	}}
}

// install puts src into the descriptors of the task of a call, which calls it. The
// reference is taken over.
func (a *Addition) install(t *kernel.Task, src *vfs.File) (int32, error) {
	cloexec, limit := a.FDsFlags != 0, t.Limits().Get(unix.RLIMIT_NOFILE).Cur
	fd, err := int32(a.FD), error(nil)
	if a.Flags&addSet != 0 {
		if uint64(a.FD) >= limit {
			err = unix.EBADF
		} else {
			err = t.Files().InstallAt(t, src, fd, cloexec, limit)
		}
	} else {
		fd, err = t.Files().Install(src, 0, cloexec, limit)
	}
	if err != nil {
		src.DecRef(t)
	}
	return fd, err
}
