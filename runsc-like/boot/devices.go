package boot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/fsimpl/dev"
	"hull/fsimpl/devpts"
	"hull/fsimpl/pipe"
	"hull/sentry/vfs"
)

// newEnvironment returns what opens special files: the drivers of the character
// devices, by number, and named pipes. There are no block devices.
func newEnvironment() *vfs.Environment {
	d := map[vfs.Dev]vfs.Driver{}
	for _, n := range dev.Nodes() {
		d[vfs.Dev(unix.Mkdev(n.Major, n.Minor))] = n.Driver
	}
	d[vfs.Dev(unix.Mkdev(devpts.TTYMajor, devpts.TTYMinor))] = devpts.CTTY{}
	return &vfs.Environment{Char: d, FIFO: pipe.FIFOs{}}
}

// populateDev makes what every /dev has.
func (s *sandbox) populateDev(ctx *vfs.Context) error {
	at := func(name string) vfs.At { return vfs.At{FS: ctx, Name: "/dev/" + name} }
	for _, n := range dev.Nodes() {
		err := vfs.Mknod(s.boot, at(n.Name), unix.S_IFCHR|n.Mode, vfs.Dev(unix.Mkdev(n.Major, n.Minor)))
		if err != nil {
			return fmt.Errorf("/dev/%s: %w", n.Name, err)
		}
	}
	tty := vfs.Dev(unix.Mkdev(devpts.TTYMajor, devpts.TTYMinor))
	if err := vfs.Mknod(s.boot, at("tty"), unix.S_IFCHR|0o666, tty); err != nil {
		return fmt.Errorf("/dev/tty: %w", err)
	}
	for _, l := range []struct{ name, target string }{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
	} {
		if err := vfs.Symlink(s.boot, l.target, at(l.name)); err != nil {
			return fmt.Errorf("/dev/%s: %w", l.name, err)
		}
	}
	return nil
}
