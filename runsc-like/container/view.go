package container

import (
	"os"
	"path"
	"runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// podman copies files to and from a container that runs by entering the mount
// namespace of the process that it knows the container by (setns(2)): there it has to
// find what the container has of files. That is a view, which hull's process does not
// see. Nothing in it can be executed: who enters it runs on the host's kernel, with
// rights of the caller's.

// managerKey is the annotation by which podman says that the container is its own.
const (
	managerKey = "io.container.manager"
	podman     = "libpod"
)

// showView has the process's mount namespace show a view, if there is one.
func showView(b *jail.Birth, view *os.File) {
	if view != nil {
		b.View = len(b.Files)
		b.Files = append(b.Files, view)
	}
}

// viewFor makes the view of a container with the configuration s, a detached tree; nil
// if its caller has no use for one, or may not make one. The guest's own file systems,
// those in memory too, are empty directories in it.
func viewFor(s *specs.Spec) *os.File {
	if s.Annotations[managerKey] != podman {
		return nil
	}
	var view *os.File
	onThreadOfItsOwn(func() {
		if unix.Unshare(unix.CLONE_NEWNS) == nil && unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") == nil {
			view = assemble(s)
		}
	})
	return view
}

// onThreadOfItsOwn calls f on a thread that ends with it, and with what namespaces it has
// entered.
func onThreadOfItsOwn(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread of a process does not end. While this goroutine has it,
			// another one has another thread.
			onThreadOfItsOwn(f)
			runtime.UnlockOSThread()
			return
		}
		f() // it stays locked: so the thread ends
	}()
	<-done
}

// assemble is viewFor, in a mount namespace that is nobody else's.
func assemble(s *specs.Spec) *os.File {
	tree, err := layOut(s, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, func(specs.Mount) (*os.File, error) { return emptyTree() })
	if err != nil {
		return nil
	}
	defer tree.Close()
	fd, err := unix.OpenTree(int(tree.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "view")
}

// layOut mounts the root of a container where it is in the caller's mount namespace, and
// in it the bind mounts, with attributes of mount_setattr(2) besides their own; and what
// own has for a file system of the guest's.
func layOut(s *specs.Spec, attributes uint64, own func(specs.Mount) (*os.File, error)) (*os.File, error) {
	tree, err := viewTree(s.Root.Path, s.Root.Readonly, false, attributes)
	if err != nil {
		return nil, err
	}
	if err := attach(tree, unix.AT_FDCWD, s.Root.Path); err != nil {
		tree.Close()
		return nil, err
	}
	known := control.MountOptions()
	for _, m := range s.Mounts {
		var t *os.File
		if m.Type == "bind" && !idMapped(m) {
			t, _ = viewTree(m.Source, isReadOnly(m, known), hasOption(m, control.OptionRBind), attributes) // without it is empty
		}
		file := false
		if t != nil {
			st, err := t.Stat()
			file = err == nil && !st.IsDir()
		}
		at, err := viewPlace(int(tree.Fd()), m.Destination, file, !s.Root.Readonly)
		if err == nil && t == nil && !file {
			t, err = own(m)
		}
		if err == nil {
			_ = attach(t, at, "") // what finds no place is left out
		}
		if at >= 0 {
			unix.Close(at)
		}
		if t != nil {
			t.Close()
		}
	}
	return tree, nil
}

// attach mounts a detached tree.
func attach(tree *os.File, dir int, name string) error {
	flags := unix.MOVE_MOUNT_F_EMPTY_PATH
	if name == "" {
		flags |= unix.MOVE_MOUNT_T_EMPTY_PATH
	}
	return unix.MoveMount(int(tree.Fd()), "", dir, name, flags)
}

// viewTree returns a copy of what is mounted at name, with what is mounted beneath if
// all is set, and more attributes.
func viewTree(name string, readOnly, all bool, attributes uint64) (*os.File, error) {
	var recursive uint
	if all {
		recursive = unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|recursive)
	if err != nil {
		return nil, err
	}
	attr := unix.MountAttr{Attr_set: attributes, Propagation: unix.MS_PRIVATE}
	if readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// emptyTree returns an empty directory that nobody can write to.
func emptyTree() (*os.File, error) {
	return memoryTree("4k", "555", unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}

// memoryTree returns an empty file system in memory.
func memoryTree(size, mode string, attributes int) (*os.File, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fs)
	for _, o := range [][2]string{{"size", size}, {"mode", mode}} {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return nil, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "tmpfs"), nil
}

// viewPlace opens the place of a mount in a root, whose links lead nowhere else, and
// makes it if it may: the guest's kernel would. The caller closes it; -1 is none.
func viewPlace(root int, destination string, file, mayMake bool) (int, error) {
	open := func(name string) (int, error) {
		return unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	}
	names := strings.Split(strings.Trim(path.Clean("/"+destination), "/"), "/")
	for i := range names {
		if fd, err := open(path.Join(names[:i+1]...)); err == nil {
			unix.Close(fd)
			continue
		}
		above, err := open(path.Join("/", path.Join(names[:i]...)))
		if err == nil && !mayMake {
			unix.Close(above)
			err = unix.ENOENT
		}
		if err != nil {
			return -1, err
		}
		if file && i == len(names)-1 {
			err = unix.Mknodat(above, names[i], unix.S_IFREG|0o644, 0)
		} else {
			err = unix.Mkdirat(above, names[i], 0o755)
		}
		unix.Close(above)
		if err != nil {
			return -1, err
		}
	}
	return open(path.Join("/", path.Join(names...)))
}
