package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/vfs"
)

// rename is rename(2).
func rename(t *kernel.Task, a arch.Args) (uintptr, error) {
	return renameAt(t, unix.AT_FDCWD, a[0], unix.AT_FDCWD, a[1], 0)
}

// renameat is renameat(2).
func renameat(t *kernel.Task, a arch.Args) (uintptr, error) {
	return renameAt(t, a[0].Int(), a[1], a[2].Int(), a[3], 0)
}

// renameat2 is renameat2(2).
func renameat2(t *kernel.Task, a arch.Args) (uintptr, error) {
	return renameAt(t, a[0].Int(), a[1], a[2].Int(), a[3], a[4].Uint())
}

func renameAt(t *kernel.Task, oldDir int32, oldPath arch.Arg, newDir int32, newPath arch.Arg, flags uint32) (uintptr, error) {
	const exchange, noReplace, whiteout = unix.RENAME_EXCHANGE, unix.RENAME_NOREPLACE, unix.RENAME_WHITEOUT
	if flags&^uint32(exchange|noReplace|whiteout) != 0 {
		return 0, unix.EINVAL
	}
	if flags&exchange != 0 && flags&(noReplace|whiteout) != 0 {
		return 0, unix.EINVAL
	}
	old, err := placeArg(t, oldDir, oldPath, false, false)
	if err != nil {
		return 0, err
	}
	defer old.done(t)
	to, err := placeArg(t, newDir, newPath, false, false)
	if err != nil {
		return 0, err
	}
	defer to.done(t)
	return 0, vfs.Rename(t, old.At, to.At, flags)
}
