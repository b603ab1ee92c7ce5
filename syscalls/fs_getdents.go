package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// maxDirents is the most bytes of entries that one call returns.
const maxDirents = 32 << 10

// getdents64 is getdents64(2).
func getdents64(t *kernel.Task, a arch.Args) (uintptr, error) {
	return readDirents(t, a, func(b []byte, d *vfs.Dirent) int {
		const header = 19 // ino, off, reclen, type
		n := (header + len(d.Name) + 1 + 7) &^ 7
		if n > len(b) {
			return 0
		}
		binary.NativeEndian.PutUint64(b, d.Ino)
		binary.NativeEndian.PutUint64(b[8:], uint64(d.Next))
		binary.NativeEndian.PutUint16(b[16:], uint16(n))
		b[18] = d.Type
		copy(b[header:], d.Name)
		return n
	})
}

// getdents is getdents(2), whose entries have their type as the last byte.
func getdents(t *kernel.Task, a arch.Args) (uintptr, error) {
	return readDirents(t, a, func(b []byte, d *vfs.Dirent) int {
		const header = 18 // ino, off, reclen
		n := (header + len(d.Name) + 2 + 7) &^ 7
		if n > len(b) {
			return 0
		}
		binary.NativeEndian.PutUint64(b, d.Ino)
		binary.NativeEndian.PutUint64(b[8:], uint64(d.Next))
		binary.NativeEndian.PutUint16(b[16:], uint16(n))
		copy(b[header:], d.Name)
		b[n-1] = d.Type
		return n
	})
}

// readDirents reads entries into the buffer in a[1], a[2]. put encodes one into
// zeroed memory and returns its length, 0 if it does not fit.
func readDirents(t *kernel.Task, a arch.Args, put func([]byte, *vfs.Dirent) int) (uintptr, error) {
	f, err := fileArg(t, a[0])
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	buf := make([]byte, min(a[2].Uint(), maxDirents))
	used, refused := 0, false
	err = f.ReadDir(t, func(d vfs.Dirent) bool {
		n := put(buf[used:], &d)
		used += n
		refused = n == 0
		return n > 0
	})
	if used == 0 {
		if err == nil && refused {
			return 0, unix.EINVAL
		}
		return 0, err
	}
	if _, err := t.Mem().CopyOut(usermem.Addr(a[1]), buf[:used]); err != nil {
		return 0, err
	}
	return uintptr(used), nil
}
