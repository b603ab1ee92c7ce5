package boot

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// writeFiles writes the files whose contents the configuration gives. A root
// without their directory does without them.
func (c *container) writeFiles(ctx *vfs.Context) error {
	for _, f := range c.cfg.Files {
		dir, err := c.walk(ctx, path.Dir(f.Path))
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err == nil {
			err = c.replaceFile(ctx, dir, f)
			dir.DecRef()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

// replaceFile writes one file into a directory.
func (c *container) replaceFile(ctx *vfs.Context, dir vfs.Path, f control.File) error {
	at := vfs.At{FS: ctx, Dir: dir, Name: path.Base(f.Path), Follow: f.Append}
	flags := uint64(unix.O_WRONLY | unix.O_CREAT)
	if f.Append {
		flags |= unix.O_APPEND
	} else {
		// It may be a link to where nothing of the guest's is.
		if err := vfs.Unlink(c.boot, at, false); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
		flags |= unix.O_EXCL
	}
	file, err := vfs.Open(c.boot, at, vfs.OpenHow{Flags: flags, Mode: 0o644})
	if err != nil {
		return err
	}
	defer file.DecRef(c.boot)
	b := []byte(f.Text)
	_, err = file.Write(c.boot, usermem.One(usermem.Bytes(b), 0, uint64(len(b))))
	return err
}
