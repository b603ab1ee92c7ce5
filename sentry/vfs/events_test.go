package vfs_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// recorder writes events down.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) Event(mask, cookie uint32, name string) {
	names := map[uint32]string{unix.IN_ACCESS: "access", unix.IN_MODIFY: "modify", unix.IN_ATTRIB: "attrib",
		unix.IN_CLOSE_WRITE: "close-write", unix.IN_CLOSE_NOWRITE: "close", unix.IN_OPEN: "open", unix.IN_MOVED_FROM: "from",
		unix.IN_MOVED_TO: "to", unix.IN_CREATE: "create", unix.IN_DELETE: "delete", unix.IN_DELETE_SELF: "delete-self",
		unix.IN_MOVE_SELF: "move-self"}
	e := names[mask&^unix.IN_ISDIR]
	if e == "" {
		e = fmt.Sprintf("%#x", mask)
	}
	if mask&unix.IN_ISDIR != 0 {
		e += "/"
	}
	if name != "" {
		e += ":" + name
	}
	if (cookie != 0) != (mask&(unix.IN_MOVED_FROM|unix.IN_MOVED_TO) != 0) {
		e += "!"
	}
	r.mu.Lock()
	r.seen = append(r.seen, e)
	r.mu.Unlock()
}

// take returns what came since the last call.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.Join(r.seen, " ")
	r.seen = nil
	return s
}

// watch records the events of a name until the test ends.
func (f *fixture) watch(name string) *recorder {
	r := &recorder{}
	p, err := vfs.Walk(f.task, f.at(name))
	f.ok(err)
	i := p.Inode()
	i.IncRef()
	i.AddWatch(r)
	p.DecRef()
	f.Cleanup(func() { i.RemoveWatch(r); i.DecRef() })
	return r
}

func TestEvents(t *testing.T) {
	f := newFixture(t)
	f.mkdir("/d", "/e")
	d := f.watch("/d")
	f.file("/d/f", "x")
	f.equal(d.take(), "create:f open:f modify:f close-write:f")
	file := f.watch("/d/f")
	f.content("/d/f")
	f.equal(d.take(), "open:f access:f close:f")
	f.equal(file.take(), "open access close")
	f.ok(f.on("/d/f", func(p vfs.Path) error {
		return vfs.SetStatPath(f.task, p, vfs.SetStat{Mask: vfs.SetMode, Mode: 0o600})
	}))
	f.ok(vfs.Link(f.task, f.at("/d/f"), f.at("/d/g")))
	f.equal(d.take(), "attrib:f create:g")
	f.equal(file.take(), "attrib attrib")
	f.mkdir("/d/s")
	f.ok(vfs.Rename(f.task, f.at("/d/s"), f.at("/e/s"), 0))
	f.equal(d.take(), "create/:s from/:s")
	f.ok(vfs.Rename(f.task, f.at("/d/f"), f.at("/d/h"), 0))
	f.equal(d.take(), "from:f to:h")
	f.equal(file.take(), "move-self")
	f.ok(vfs.Unlink(f.task, f.at("/d/g"), false))
	f.equal(d.take(), "delete:g")
	f.equal(file.take(), "attrib") // it has another name
	f.ok(vfs.Unlink(f.task, f.at("/d/h"), false))
	f.equal(d.take(), "delete:h")
	f.equal(file.take(), "attrib delete-self")
	f.ok(vfs.Unlink(f.task, f.at("/d"), true))
	f.equal(d.take(), "delete-self")
}

// A file that is open when its last name goes is gone when it is closed.
func TestEventsOfOpenFile(t *testing.T) {
	f := newFixture(t)
	x := f.open("/f", unix.O_CREAT|unix.O_RDWR)
	r := f.watch("/f")
	f.ok(vfs.Unlink(f.task, f.at("/f"), false))
	f.equal(r.take(), "attrib")
	_, err := x.Write(f.task, usermem.BytesBuffer([]byte("x")))
	f.ok(err)
	x.DecRef(f.task)
	f.equal(r.take(), "modify close-write delete-self")
}
