package container

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/jail"
)

// handedDir is a directory among the descriptors that a container's first process is
// to have. No process of the sandbox gets it: the gofer serves it, as it does a
// bind mount.
type handedDir struct {
	index int      // in Options.Extra
	tree  *os.File // a copy of the mount, from the directory on
}

// takeDirs takes the directories out of o.Extra, where other files take their places.
func (o *Options) takeDirs() error {
	for i, f := range o.Extra {
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if !st.IsDir() {
			continue
		}
		fd, err := unix.OpenTree(int(f.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fieldf("--preserve-fds", "%s is a directory, which takes the right to mount: %v", f.Name(), err)
		}
		o.dirs = append(o.dirs, handedDir{i, os.NewFile(uintptr(fd), f.Name())})
		null, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		f.Close()
		o.Extra[i] = null
	}
	return nil
}

// dirRoots adds the directories to what the gofer is to serve.
func (o *Options) dirRoots(roots []jail.Root) ([]jail.Root, []control.Dir) {
	const first = 3
	var dirs []control.Dir
	for _, d := range o.dirs {
		dirs = append(dirs, control.Dir{FD: first + d.index, Root: len(roots)})
		roots = append(roots, jail.Root{Path: fmt.Sprintf("/proc/self/fd/%d", d.tree.Fd())})
	}
	return roots, dirs
}

// trees are those of the directories, in order.
func (o *Options) trees() []*os.File {
	var all []*os.File
	for _, d := range o.dirs {
		all = append(all, d.tree)
	}
	return all
}
