package boot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"hull/fsimpl/dev"
	"hull/fsimpl/devpts"
	"hull/fsimpl/pipe"
	"hull/sentry/current"
	"hull/sentry/socket/tun"
	"hull/sentry/vfs"
)

// consoleDev is the number of /dev/console (Documentation/admin-guide/devices.txt).
const consoleDev = vfs.Dev(5<<8 | 1)

// console is the driver of /dev/console: the terminal that the opener's container
// was started on. Without one nobody can open it.
type console struct{ s *sandbox }

// Open implements vfs.Driver.
func (d console) Open(t current.Task, f *vfs.File) (vfs.FileImpl, error) {
	c := d.s.containerOf(t)
	if c == nil || c.console == nil {
		return nil, unix.ENXIO
	}
	return c.console.OpenFile(t, f)
}

// newEnvironment returns what opens special files: the drivers of the character
// devices, by number, and named pipes. There are no block devices.
func newEnvironment(c console) *vfs.Environment {
	d := map[vfs.Dev]vfs.Driver{}
	for _, n := range dev.Nodes() {
		d[vfs.Dev(unix.Mkdev(n.Major, n.Minor))] = n.Driver
	}
	d[vfs.Dev(unix.Mkdev(devpts.TTYMajor, devpts.TTYMinor))] = devpts.CTTY{}
	d[consoleDev] = c
	d[vfs.Dev(unix.Mkdev(tun.Major, tun.Minor))] = tun.Driver{}
	return &vfs.Environment{Char: d, FIFO: pipe.FIFOs{}}
}

// populateDev makes what every /dev has.
func (c *container) populateDev(ctx *vfs.Context) error {
	at := func(name string) vfs.At { return vfs.At{FS: ctx, Name: "/dev/" + name} }
	for _, n := range dev.Nodes() {
		err := vfs.Mknod(c.boot, at(n.Name), unix.S_IFCHR|n.Mode, vfs.Dev(unix.Mkdev(n.Major, n.Minor)))
		if err != nil {
			return fmt.Errorf("/dev/%s: %w", n.Name, err)
		}
	}
	tty := vfs.Dev(unix.Mkdev(devpts.TTYMajor, devpts.TTYMinor))
	if err := vfs.Mknod(c.boot, at("tty"), unix.S_IFCHR|0o666, tty); err != nil {
		return fmt.Errorf("/dev/tty: %w", err)
	}
	if c.cfg.Terminal || c.cfg.Direct {
		if err := vfs.Mknod(c.boot, at("console"), unix.S_IFCHR|0o620, consoleDev); err != nil {
			return fmt.Errorf("/dev/console: %w", err)
		}
	}
	for _, l := range []struct{ name, target string }{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
	} {
		if err := vfs.Symlink(c.boot, l.target, at(l.name)); err != nil {
			return fmt.Errorf("/dev/%s: %w", l.name, err)
		}
	}
	return nil
}
