package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/fsimpl/pipe"
	"hull/sentry/arch"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/socket"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

const spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MORE | unix.SPLICE_F_GIFT

// splice is splice(2). One of the two is a pipe.
func splice(t *kernel.Task, a arch.Args) (uintptr, error) {
	max, flags := min(a[4].Size(), usermem.MaxRW), a[5].Uint()
	if max == 0 {
		return 0, nil
	}
	if flags&^uint32(spliceFlags) != 0 {
		return 0, unix.EINVAL
	}
	in, out, err := inOut(t, a[0], a[2])
	if err != nil {
		return 0, err
	}
	defer in.DecRef(t)
	defer out.DecRef(t)
	from, to := pipe.Of(in), pipe.Of(out)
	if i := in.Path.Inode(); i != nil && i.Type == unix.S_IFDIR {
		return 0, unix.EINVAL
	}
	if from != nil && a[1] != 0 || to != nil && a[3] != 0 {
		return 0, unix.ESPIPE
	}
	wait := flags&unix.SPLICE_F_NONBLOCK == 0
	switch {
	case from != nil && to != nil:
		n, err := transfer(t, to, from, max, false, wait && !nonblocking(in) && !nonblocking(out))
		return uintptr(n), brokenPipe(t, err)
	case from != nil:
		return spliceOut(t, from, out, a[3], max, wait && !nonblocking(in), flags&unix.SPLICE_F_MORE != 0)
	case to != nil:
		return spliceIn(t, in, a[1], to, max, wait && !nonblocking(out))
	}
	return 0, unix.EINVAL
}

// tee is tee(2).
func tee(t *kernel.Task, a arch.Args) (uintptr, error) {
	max, flags := min(a[2].Size(), usermem.MaxRW), a[3].Uint()
	if flags&^uint32(spliceFlags) != 0 {
		return 0, unix.EINVAL
	}
	if max == 0 {
		return 0, nil
	}
	in, out, err := inOut(t, a[0], a[1])
	if err != nil {
		return 0, err
	}
	defer in.DecRef(t)
	defer out.DecRef(t)
	from, to := pipe.Of(in), pipe.Of(out)
	if from == nil || to == nil {
		return 0, unix.EINVAL
	}
	wait := flags&unix.SPLICE_F_NONBLOCK == 0 && !nonblocking(in) && !nonblocking(out)
	n, err := transfer(t, to, from, max, true, wait)
	return uintptr(n), brokenPipe(t, err)
}

// vmsplice is vmsplice(2). Pages are copied: a gift is not taken.
func vmsplice(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[3].Uint()
	if flags&^uint32(spliceFlags) != 0 {
		return 0, unix.EINVAL
	}
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	p := pipe.Of(f)
	if p == nil {
		return 0, unix.EBADF
	}
	if a[2].Size() > usermem.MaxIovecs {
		return 0, unix.EINVAL
	}
	rs, err := usermem.Iovecs(t.Mem(), usermem.Addr(a[1]), int(a[2].Size()))
	if err != nil {
		return 0, err
	}
	b := usermem.Vec(t.Mem(), rs)
	if b.Len() == 0 {
		return 0, nil
	}
	w, mask := p.AsReader(), wait.Readable
	try := func() (int64, error) { return p.TryRead(b) }
	if writes(f) {
		w, mask = p.AsWriter(), wait.Writable
		try = func() (int64, error) { return p.TryWrite(t, b) }
	}
	n, err := waitFor(t, w, mask, flags&unix.SPLICE_F_NONBLOCK == 0 && !nonblocking(f), try)
	return uintptr(n), err
}

// inOut gets two files, of which the first can be read and the second written.
func inOut(t *kernel.Task, ifd, ofd arch.Arg) (in, out *vfs.File, err error) {
	if in, err = fileArg(t, ifd); err != nil {
		return nil, nil, err
	}
	if out, err = fileArg(t, ofd); err != nil {
		in.DecRef(t)
		return nil, nil, err
	}
	if in.Flags()&unix.O_ACCMODE == unix.O_WRONLY || !writes(out) {
		in.DecRef(t)
		out.DecRef(t)
		return nil, nil, unix.EBADF
	}
	return in, out, nil
}

func writes(f *vfs.File) bool      { return f.Flags()&unix.O_ACCMODE != unix.O_RDONLY }
func nonblocking(f *vfs.File) bool { return f.Flags()&unix.O_NONBLOCK != 0 }

// brokenPipe sends the signal that goes with EPIPE.
func brokenPipe(t *kernel.Task, err error) error {
	if err == unix.EPIPE {
		t.Signal(int(unix.SIGPIPE))
	}
	return err
}

// waitFor calls try until it is not EAGAIN, or once if block is false.
func waitFor(t *kernel.Task, w wait.Waitable, m wait.Mask, block bool, try func() (int64, error)) (n int64, err error) {
	if !block {
		return try()
	}
	err = current.Retry(t, w, m, time.Time{}, func() error {
		n, err = try()
		return err
	})
	return n, err
}

// transfer moves or copies from pipe to pipe, waiting for bytes and for room.
func transfer(t *kernel.Task, to, from *pipe.Pipe, max uint64, keep, block bool) (int64, error) {
	for {
		n, err := pipe.Transfer(to, from, max, keep)
		if err != unix.EAGAIN || !block {
			return n, err
		}
		if err := untilReady(t, from.AsReader(), wait.In); err != nil {
			return 0, err
		}
		if err := untilReady(t, to.AsWriter(), wait.Out); err != nil {
			return 0, err
		}
	}
}

func untilReady(t *kernel.Task, w wait.Waitable, m wait.Mask) error {
	return current.Retry(t, w, m, time.Time{}, func() error {
		if w.Readiness(m|wait.Hup|wait.Err) == 0 {
			return unix.EAGAIN
		}
		return nil
	})
}

// spliceOut moves from a pipe to a file; more says that more will follow, which
// a socket waits for.
func spliceOut(t *kernel.Task, from *pipe.Pipe, out *vfs.File, off arch.Arg, max uint64, block, more bool) (uintptr, error) {
	if out.Flags()&unix.O_APPEND != 0 {
		return 0, unix.EINVAL
	}
	c, err := cursorArg(t, out, off)
	if err != nil {
		return 0, err
	}
	// Only an empty pipe is waited for here; the file does its own waiting.
	refused := false
	drain := func() (int64, error) {
		n, err := from.Drain(max, func(src usermem.Buffer) (int64, error) {
			n, err := spliceWrite(t, &c, src, more)
			refused = err == unix.EAGAIN
			return n, err
		})
		return n, err
	}
	n, err := spliceWait(t, from.AsReader(), wait.Readable, block, &refused, drain)
	return c.finish(t, n, err)
}

// spliceWrite writes a piece of what is spliced.
func spliceWrite(t *kernel.Task, c *cursor, src usermem.Buffer, more bool) (int64, error) {
	s, ok := c.f.Impl().(socket.Socket)
	if !ok || !more {
		return c.write(t, src)
	}
	m := t.Message()
	m.Flags = unix.MSG_MORE
	return send(t, c.f, s, src, m)
}

// spliceIn moves from a file to a pipe.
func spliceIn(t *kernel.Task, in *vfs.File, off arch.Arg, to *pipe.Pipe, max uint64, block bool) (uintptr, error) {
	c, err := cursorArg(t, in, off)
	if err != nil {
		return 0, err
	}
	s, isSocket := in.Impl().(socket.Socket)
	more := isSocket && s.Type() == unix.SOCK_STREAM
	if in.Stream && !more {
		max = min(max, usermem.PageSize) // a second read might wait, or be another message
	}
	refused := false
	fill := func() (int64, error) {
		moved := false
		return to.Fill(max, func(dst usermem.Buffer) (int64, error) {
			if moved && more {
				// What is there already, without waiting for more.
				n, err := in.Impl().Read(t, in, dst, 0)
				if err == unix.EAGAIN {
					err = nil
				}
				return n, err
			}
			n, err := c.read(t, dst)
			refused, moved = err == unix.EAGAIN, true
			return n, err
		})
	}
	n, err := spliceWait(t, to.AsWriter(), wait.Writable, block, &refused, fill)
	return c.finish(t, n, brokenPipe(t, err))
}

// spliceWait is waitFor that does not wait when *refused says that the EAGAIN
// was not the pipe's.
func spliceWait(t *kernel.Task, w wait.Waitable, m wait.Mask, block bool, refused *bool, try func() (int64, error)) (n int64, err error) {
	if !block {
		return try()
	}
	var failed error
	err = current.Retry(t, w, m, time.Time{}, func() error {
		n, failed = try()
		if failed == unix.EAGAIN && !*refused {
			return unix.EAGAIN
		}
		return nil
	})
	if err == nil {
		err = failed
	}
	return n, err
}
