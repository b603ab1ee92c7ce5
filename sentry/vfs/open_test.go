package vfs_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/vfs"
)

// A file is written or run, not both.
func TestTextBusy(t *testing.T) {
	f := newFixture(t)
	f.file("/f", "text")
	f.ok(f.on("/f", func(p vfs.Path) error {
		return vfs.SetStatPath(f.task, p, vfs.SetStat{Mask: vfs.SetMode, Mode: 0o755})
	}))
	try := func(how vfs.OpenHow) error {
		x, err := vfs.Open(f.task, f.at("/f"), how)
		if err == nil {
			x.DecRef(f.task)
		}
		return err
	}
	run := vfs.OpenHow{Exec: true}
	w := f.open("/f", unix.O_WRONLY)
	f.want(try(run), unix.ETXTBSY)
	w.DecRef(f.task)
	x, err := vfs.Open(f.task, f.at("/f"), run)
	f.ok(err)
	y, err := vfs.Open(f.task, f.at("/f"), run)
	f.ok(err)
	x.DecRef(f.task)
	f.want(try(vfs.OpenHow{Flags: unix.O_WRONLY}), unix.ETXTBSY)
	f.want(try(vfs.OpenHow{Flags: unix.O_RDONLY | unix.O_TRUNC}), unix.ETXTBSY)
	f.want(f.on("/f", func(p vfs.Path) error { return vfs.Truncate(f.task, p, 0) }), unix.ETXTBSY)
	f.equal(f.content("/f"), "text")
	n := y.Named() // as a process has it mapped
	n.IncRef()
	y.DecRef(f.task)
	f.want(try(vfs.OpenHow{Flags: unix.O_WRONLY}), unix.ETXTBSY)
	n.DecRef()
	f.ok(try(vfs.OpenHow{Flags: unix.O_WRONLY}))
	z, err := vfs.Open(f.task, f.at("/f"), run)
	f.ok(err)
	z.AllowWriters()
	f.ok(try(vfs.OpenHow{Flags: unix.O_WRONLY}))
	z.DecRef(f.task)
	f.ok(try(run))
}
