package boot

import (
	"fmt"
	"sync"

	"hull/fsimpl/devpts"
	"hull/fsimpl/hosttty"
	"hull/sentry/auth"
	"hull/sentry/vfs"
)

// terminals are the instances of devpts that boot has mounted, so that a
// terminal of the host can have a name in one.
type terminals struct {
	mu  sync.Mutex
	all map[*vfs.Filesystem]*devpts.FS // guarded by mu
}

// add notes an instance.
func (t *terminals) add(fs *devpts.FS) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[*vfs.Filesystem]*devpts.FS{}
	}
	t.all[fs.VFS()] = fs
}

func (t *terminals) of(fs *vfs.Filesystem) *devpts.FS {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[fs]
}

// nameTerminal gives a terminal of the host a name in the guest's /dev/pts, and
// returns it with what takes it back. There is none if the guest has no such
// directory, or no number left.
func (c *container) nameTerminal(ctx *vfs.Context, tty *hosttty.TTY, cred *auth.Cred) (name string, release func()) {
	p, err := c.walk(ctx, "/dev/pts")
	if err != nil {
		return "", nil
	}
	defer p.DecRef()
	fs := c.terminals.of(p.Inode().FS)
	if fs == nil {
		return "", nil
	}
	n, err := fs.Adopt(tty, cred.EUID)
	if err != nil {
		return "", nil // it is full of the guest's own
	}
	tty.SetNumber(devpts.Number(n))
	return fmt.Sprintf("/dev/pts/%d", n), func() { fs.Release(n) }
}
