package vfs

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current"
	"hull/sentry/limits"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// How bytes go to and from a file: at its offset or at one that is given, waiting
// as its flags and time-outs say. What the implementation does never waits.

// Read reads at the file's offset and moves it, read(2). It blocks as the
// file's flags say. EBADF if the file is not open for reading.
func (f *File) Read(t current.Task, dst usermem.Buffer) (int64, error) {
	if !f.readable() {
		return 0, unix.EBADF
	}
	n, err := f.read(t, dst)
	switch {
	case err == unix.EAGAIN && !f.nonblock():
		n, err = f.readWait(t, dst, 0)
	case err == nil && n > 0 && f.short(n, dst.Len()) && !f.nonblock():
		n, err = f.readWait(t, dst, n)
	}
	if n > 0 {
		f.event(unix.IN_ACCESS)
	}
	return n, err
}

// read reads without waiting.
func (f *File) read(t current.Task, dst usermem.Buffer) (int64, error) {
	if f.Stream {
		return f.impl.Read(t, f, dst, 0)
	}
	if f.here != nil {
		return f.here.ReadNext(t, f, dst)
	}
	f.pos.Lock()
	defer f.pos.Unlock()
	if err := checkSpan(f.pos.off.Load(), dst.Len()); err != nil {
		return 0, err
	}
	n, err := f.impl.Read(t, f, dst, f.pos.off.Load())
	f.pos.off.Add(n)
	return n, err
}

// short reports whether a read of n of the bytes that there is room for is to be
// gone on with.
func (f *File) short(n int64, room uint64) bool {
	return f.low != nil && uint64(n) < min(uint64(f.low.LowWater()), room)
}

// readWait goes on after done bytes.
func (f *File) readWait(t current.Task, dst usermem.Buffer, done int64) (int64, error) {
	room := dst.Len()
	dst.Skip(uint64(done))
	err := f.retry(t, wait.Readable, func() error {
		for {
			n, err := f.read(t, dst)
			done += n
			if err != nil || n == 0 || !f.short(done, room) {
				return err
			}
			dst.Skip(uint64(n))
		}
	})
	if done > 0 {
		return done, nil
	}
	return 0, err
}

// retry waits as long as the file's own time-outs say, for reading or writing.
func (f *File) retry(t current.Task, mask wait.Mask, try func() error) error {
	timed, ok := f.impl.(Timed)
	if !ok {
		return current.Retry(t, f, mask, time.Time{}, try)
	}
	end := timed.Deadline(mask&wait.Out != 0)
	err := current.Retry(t, f, mask, end, try)
	return TimedError(err, end)
}

// TimedError is the error of a wait that was to end at end.
func TimedError(err error, end time.Time) error {
	switch {
	case end.IsZero():
	case err == unix.ETIMEDOUT && !time.Now().Before(end): // not a connection's own
		return unix.EAGAIN
	case err == abi.ERESTARTSYS:
		return unix.EINTR
	}
	return err
}

// checkSpan refuses offsets that a transfer of n bytes would make overflow.
func checkSpan(off int64, n uint64) error {
	if off < 0 || n > math.MaxInt64-uint64(off) {
		return unix.EINVAL
	}
	return nil
}

// ReadAt is pread(2).
func (f *File) ReadAt(t current.Task, dst usermem.Buffer, off int64) (int64, error) {
	switch {
	case off < 0:
		return 0, unix.EINVAL
	case f.Stream:
		return 0, unix.ESPIPE
	case !f.readable():
		return 0, unix.EBADF
	}
	if err := checkSpan(off, dst.Len()); err != nil {
		return 0, err
	}
	n, err := f.impl.Read(t, f, dst, off)
	if err == unix.EAGAIN && !f.nonblock() {
		err = current.Retry(t, f, wait.Readable, time.Time{}, func() (err error) {
			n, err = f.impl.Read(t, f, dst, off)
			return err
		})
	}
	if n > 0 {
		f.event(unix.IN_ACCESS)
	}
	return n, err
}

// Write writes at the file's offset and moves it, write(2). Of a stream that
// blocks all is written, unless a signal comes.
func (f *File) Write(t current.Task, src usermem.Buffer) (int64, error) {
	if !f.writable() {
		return 0, unix.EBADF
	}
	n, err := f.write(t, src)
	if err == unix.EAGAIN && !f.nonblock() || err == nil && f.goOn(n, &src) {
		return f.writeWait(t, src, n)
	}
	if n > 0 {
		f.event(unix.IN_MODIFY)
	}
	return n, err
}

// goOn reports whether a write of n bytes is to be gone on with.
func (f *File) goOn(n int64, src *usermem.Buffer) bool {
	return f.Stream && !f.once && uint64(n) < src.Len() && !f.nonblock()
}

// write writes without waiting.
func (f *File) write(t current.Task, src usermem.Buffer) (int64, error) {
	if f.Stream {
		n, _, err := f.impl.Write(t, f, src, 0)
		return n, err
	}
	if f.here != nil {
		return f.here.WriteNext(t, f, src)
	}
	f.pos.Lock()
	defer f.pos.Unlock()
	n, end, err := f.place(t, src, f.pos.off.Load())
	if n > 0 {
		f.pos.off.Store(end)
	}
	return n, err
}

// place writes at an offset, or with O_APPEND at the end, as much as may be written
// there, and returns where that ends.
func (f *File) place(t current.Task, src usermem.Buffer, off int64) (n, end int64, err error) {
	if err := checkSpan(off, src.Len()); err != nil {
		return 0, 0, err
	}
	if f.flags.Load()&unix.O_APPEND != 0 {
		off = Append
	}
	if src, err = f.bound(t, src, off); err != nil {
		return 0, 0, err
	}
	return f.impl.Write(t, f, src, off)
}

// bound cuts a write to what RLIMIT_FSIZE leaves room for.
func (f *File) bound(t current.Task, src usermem.Buffer, off int64) (usermem.Buffer, error) {
	limit := t.Limits().Get(unix.RLIMIT_FSIZE).Cur
	if limit == limits.Infinity || src.Len() == 0 || f.Path.Inode() == nil || f.Path.Inode().Type != unix.S_IFREG {
		return src, nil
	}
	if off == Append {
		s, err := f.Stat(t)
		if err != nil {
			return src, err
		}
		off = s.Size
	}
	if uint64(off) >= limit {
		t.Signal(int(unix.SIGXFSZ))
		return src, unix.EFBIG
	}
	return src.Take(limit - uint64(off)), nil
}

// writeWait goes on after done bytes.
func (f *File) writeWait(t current.Task, src usermem.Buffer, done int64) (int64, error) {
	src.Skip(uint64(done))
	err := f.retry(t, wait.Writable, func() error {
		for {
			n, err := f.write(t, src)
			done += n
			src.Skip(uint64(n))
			if err != nil || n == 0 || !f.goOn(0, &src) {
				return err
			}
		}
	})
	if done > 0 {
		f.event(unix.IN_MODIFY)
		return done, nil
	}
	return 0, err
}

// WriteAt is pwrite(2). With O_APPEND it appends, as on Linux.
func (f *File) WriteAt(t current.Task, src usermem.Buffer, off int64) (int64, error) {
	switch {
	case off < 0:
		return 0, unix.EINVAL
	case f.Stream:
		return 0, unix.ESPIPE
	case !f.writable():
		return 0, unix.EBADF
	}
	n, _, err := f.place(t, src, off)
	if n > 0 {
		f.event(unix.IN_MODIFY)
	}
	return n, err
}
