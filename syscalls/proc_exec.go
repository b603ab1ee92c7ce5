package syscalls

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

const (
	// maxArgStrings bounds argv and envp together, in bytes (_STK_LIM/4*3).
	maxArgStrings = 6 << 20
	// maxArgs is MAX_ARG_STRINGS cut to what maxArgStrings leaves room for.
	maxArgs = maxArgStrings / 8
)

// execve is execve(2).
func execve(t *kernel.Task, a arch.Args) (uintptr, error) {
	return doExec(t, vfs.Path{}, a[0], a[1], a[2], 0, "")
}

// execveat is execveat(2).
func execveat(t *kernel.Task, a arch.Args) (uintptr, error) {
	flags := a[4].Int()
	if flags&^(unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW) != 0 {
		return 0, unix.EINVAL
	}
	fd := a[0].Int()
	if fd == unix.AT_FDCWD {
		return doExec(t, vfs.Path{}, a[1], a[2], a[3], flags, "")
	}
	f, err := t.Files().GetPath(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef(t)
	return doExec(t, f.Path, a[1], a[2], a[3], flags, fmt.Sprintf("/dev/fd/%d", fd))
}

// doExec execs what name is beneath dir. via is how the program sees dir.
func doExec(t *kernel.Task, dir vfs.Path, name, argv, envp arch.Arg, flags int32, via string) (uintptr, error) {
	path, err := usermem.CString(t.Mem(), usermem.Addr(name), unix.PathMax)
	if err != nil {
		return 0, err
	}
	room := maxArgStrings
	args, err := stringArray(t, usermem.Addr(argv), &room)
	if err != nil {
		return 0, err
	}
	if len(args) == 0 {
		args = []string{""} // as Linux since 5.18
	}
	env, err := stringArray(t, usermem.Addr(envp), &room)
	if err != nil {
		return 0, err
	}
	seen := path
	if via != "" && (path == "" || path[0] != '/') {
		seen = via
		if path != "" {
			seen += "/" + path
		}
	}
	return 0, t.Exec(kernel.ExecArgs{
		At: vfs.At{FS: t.FS(), Dir: dir, Name: path, Empty: flags&unix.AT_EMPTY_PATH != 0,
			Follow: flags&unix.AT_SYMLINK_NOFOLLOW == 0},
		Argv: args, Envp: env, Name: seen,
	})
}

// stringArray copies in a NULL-terminated array of strings; nil is an empty one. The
// bytes are taken out of *room: E2BIG when it is used up.
func stringArray(t *kernel.Task, addr usermem.Addr, room *int) ([]string, error) {
	if addr == 0 {
		return nil, nil
	}
	var ss []string
	for len(ss) < maxArgs {
		p, err := usermem.In[uint64](t.Mem(), addr)
		if err != nil {
			return nil, err
		}
		if p == 0 {
			return ss, nil
		}
		s, err := usermem.CString(t.Mem(), usermem.Addr(p), min(kernel.MaxArgString, *room))
		if err == unix.ENAMETOOLONG {
			err = unix.E2BIG
		}
		if err != nil {
			return nil, err
		}
		if *room -= len(s) + 1 + 8; *room <= 0 {
			return nil, unix.E2BIG
		}
		ss = append(ss, s)
		addr += 8
	}
	return nil, unix.E2BIG
}
