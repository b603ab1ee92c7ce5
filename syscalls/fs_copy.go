package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/fsimpl/pipe"
	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// copyChunk is how much a copy between files holds at a time.
const copyChunk = 64 << 10

// cursor is a file at an offset: the guest's variable, which the call moves, or
// the file's own.
type cursor struct {
	f    *vfs.File
	addr usermem.Addr // 0: the file's own offset
	off  int64
}

// cursorArg decodes a pointer to an offset. EINVAL if it is negative or the file
// has none.
func cursorArg(t *kernel.Task, f *vfs.File, addr arch.Arg) (cursor, error) {
	c := cursor{f: f, addr: usermem.Addr(addr)}
	if addr == 0 {
		return c, nil
	}
	if f.Stream {
		return c, unix.EINVAL
	}
	var err error
	if c.off, err = usermem.In[int64](t.Mem(), c.addr); err != nil {
		return c, err
	}
	if c.off < 0 {
		return c, unix.EINVAL
	}
	return c, nil
}

func (c *cursor) read(t *kernel.Task, dst usermem.Buffer) (int64, error) {
	if c.addr == 0 {
		return c.f.Read(t, dst)
	}
	n, err := c.f.ReadAt(t, dst, c.off)
	c.off += max(n, 0)
	return n, err
}

func (c *cursor) write(t *kernel.Task, src usermem.Buffer) (int64, error) {
	if c.addr == 0 {
		return c.f.Write(t, src)
	}
	n, err := c.f.WriteAt(t, src, c.off)
	c.off += max(n, 0)
	return n, err
}

// back undoes the reading of n bytes that could not be written.
func (c *cursor) back(t *kernel.Task, n int64) {
	if n <= 0 {
		return
	}
	if c.addr != 0 {
		c.off -= n
		return
	}
	_, _ = c.f.Seek(t, -n, unix.SEEK_CUR)
}

// finish ends a call that moved n bytes: the guest's offset is told.
func (c *cursor) finish(t *kernel.Task, n int64, err error) (uintptr, error) {
	if n > 0 {
		err = nil
	}
	if c.addr != 0 && err == nil {
		err = usermem.Out(t.Mem(), c.addr, &c.off)
	}
	return uintptr(n), err
}

// sendfile is sendfile(2). What is read from has offsets; a pipe as the target
// makes it a splice.
func sendfile(t *kernel.Task, a arch.Args) (uintptr, error) {
	out, in, count := a[0], a[1], min(a[3].Size(), usermem.MaxRW)
	fin, fout, err := inOut(t, in, out)
	if err != nil {
		return 0, err
	}
	defer fin.DecRef(t)
	defer fout.DecRef(t)
	if fin.Stream && a[2] != 0 {
		return 0, unix.ESPIPE
	}
	src, err := cursorArg(t, fin, a[2])
	if err != nil {
		return 0, err
	}
	if int64(a[3]) < 0 || fout.Flags()&unix.O_APPEND != 0 {
		return 0, unix.EINVAL
	}
	if p := pipe.Of(fout); p != nil && count > 0 {
		return spliceIn(t, fin, a[2], p, count, !nonblocking(fout))
	}
	if fin.Stream {
		return 0, unix.EINVAL
	}
	dst := cursor{f: fout}
	n, err := copyBytes(t, &src, &dst, count)
	return src.finish(t, n, err)
}

// copyFileRange is copy_file_range(2), between regular files.
func copyFileRange(t *kernel.Task, a arch.Args) (uintptr, error) {
	fin, fout, err := inOut(t, a[0], a[2])
	if err != nil {
		return 0, err
	}
	defer fin.DecRef(t)
	defer fout.DecRef(t)
	if a[5].Uint() != 0 {
		return 0, unix.EINVAL
	}
	if err := regular(fin, fout); err != nil {
		return 0, err
	}
	if fout.Flags()&unix.O_APPEND != 0 {
		return 0, unix.EBADF
	}
	src, err := cursorArg(t, fin, a[1])
	if err != nil {
		return 0, err
	}
	dst, err := cursorArg(t, fout, a[3])
	if err != nil {
		return 0, err
	}
	count := min(a[4].Size(), usermem.MaxRW)
	if fin.Path.Inode() == fout.Path.Inode() {
		if overlap, err := overlaps(t, &src, &dst, int64(count)); overlap || err != nil {
			return 0, orInvalid(err)
		}
	}
	n, err := copyBytes(t, &src, &dst, count)
	if n > 0 && dst.addr != 0 {
		if err := usermem.Out(t.Mem(), dst.addr, &dst.off); err != nil {
			return 0, err
		}
	}
	return src.finish(t, n, err)
}

// regular refuses what is no regular file.
func regular(files ...*vfs.File) error {
	for _, f := range files {
		switch i := f.Path.Inode(); {
		case i == nil:
			return unix.EINVAL
		case i.Type == unix.S_IFDIR:
			return unix.EISDIR
		case i.Type != unix.S_IFREG:
			return unix.EINVAL
		}
	}
	return nil
}

func orInvalid(err error) error {
	if err == nil {
		return unix.EINVAL
	}
	return err
}

// overlaps reports whether n bytes at the two cursors of one file do.
func overlaps(t *kernel.Task, x, y *cursor, n int64) (bool, error) {
	var at [2]int64
	for i, c := range []*cursor{x, y} {
		at[i] = c.off
		if c.addr == 0 {
			var err error
			if at[i], err = c.f.Seek(t, 0, unix.SEEK_CUR); err != nil {
				return false, err
			}
		}
	}
	return at[0] < at[1]+n && at[1] < at[0]+n, nil
}

// copyBytes copies up to count bytes. What was read but could not be written is
// given back.
func copyBytes(t *kernel.Task, src, dst *cursor, count uint64) (int64, error) {
	buf := make([]byte, min(count, copyChunk))
	var done int64
	for uint64(done) < count {
		n, err := src.read(t, usermem.BytesBuffer(buf[:min(uint64(len(buf)), count-uint64(done))]))
		if n <= 0 || err != nil {
			return done, err
		}
		m, err := dst.write(t, usermem.BytesBuffer(buf[:n]))
		m = max(m, 0)
		src.back(t, n-m)
		done += m
		if err != nil || m < n {
			return done, err
		}
	}
	return done, nil
}
