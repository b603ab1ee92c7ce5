package dev

import (
	"crypto/rand"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mm"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// The minors of major 1 (Documentation/admin-guide/devices.txt).
const (
	memMajor     = 1
	nullMinor    = 3
	zeroMinor    = 5
	fullMinor    = 7
	randomMinor  = 8
	urandomMinor = 9
)

// Null swallows what is written and is always at its end.
type Null struct{}

// Zero gives zeros, and swallows what is written.
type Zero struct{}

// Full gives zeros, and has no space for what is written.
type Full struct{}

// Random gives random bytes, of /dev/random and of /dev/urandom. What is written
// to stir the pool is dropped: the pool is the host's.
type Random struct {
	Polled bool // can be waited for: /dev/random can
}

// memFile is what all of them share. Offsets mean nothing, but seeking is
// allowed and ends at 0 (null_lseek).
type memFile struct {
	vfs.AlwaysReady
	vfs.NoIoctl
}

// Pollable implements vfs.Pollable.
func (memFile) Pollable() bool { return false }

// Pollable implements vfs.Pollable.
func (f randomFile) Pollable() bool { return f.polled }

// Release implements vfs.FileImpl.
func (memFile) Release(current.Task, *vfs.File) {}

// Seek implements vfs.Seeker.
func (memFile) Seek(current.Task, *vfs.File, int64, int32) (int64, error) { return 0, nil }

// swallow is a write that goes nowhere. The source is not even read: a bad
// address is no error, as on Linux.
func swallow(src usermem.Buffer, off int64) (int64, int64, error) {
	n := int64(src.Len())
	return n, off + n, nil
}

type (
	nullFile   struct{ memFile }
	zeroFile   struct{ memFile }
	fullFile   struct{ zeroFile }
	randomFile struct {
		memFile
		polled bool
	}
)

// Open makes an open file of the device.
func (Null) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return nullFile{}, nil }

// Open makes an open file of the device.
func (Zero) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return zeroFile{}, nil }

// Open makes an open file of the device.
func (Full) Open(current.Task, *vfs.File) (vfs.FileImpl, error) { return fullFile{}, nil }

// Open makes an open file of the device.
func (r Random) Open(current.Task, *vfs.File) (vfs.FileImpl, error) {
	return randomFile{polled: r.Polled}, nil
}

// Read implements vfs.FileImpl.
func (nullFile) Read(current.Task, *vfs.File, usermem.Buffer, int64) (int64, error) { return 0, nil }

// Write implements vfs.FileImpl.
func (nullFile) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	return swallow(src, off)
}

// Read implements vfs.FileImpl.
func (zeroFile) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	n, err := dst.ZeroOut(dst.Len())
	if n > 0 {
		err = nil
	}
	return int64(n), err
}

// Write implements vfs.FileImpl.
func (zeroFile) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	return swallow(src, off)
}

// Map implements vfs.Mapper: a mapping of /dev/zero is anonymous memory.
func (zeroFile) Map(_ current.Task, f *vfs.File, o *mm.MapOpts) (mm.Mappable, error) {
	return nil, nil
}

// Write implements vfs.FileImpl.
func (fullFile) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	if src.Len() == 0 {
		return 0, off, nil
	}
	return 0, off, unix.ENOSPC
}

// Read implements vfs.FileImpl.
func (randomFile) Read(_ current.Task, _ *vfs.File, dst usermem.Buffer, _ int64) (int64, error) {
	var buf [4096]byte
	var done int64
	for dst.Len() > 0 {
		p := buf[:min(uint64(len(buf)), dst.Len())]
		if _, err := rand.Read(p); err != nil {
			return done, unix.EIO
		}
		n, err := dst.CopyOut(p)
		done += int64(n)
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
	}
	return done, nil
}

// Write implements vfs.FileImpl.
func (randomFile) Write(_ current.Task, _ *vfs.File, src usermem.Buffer, off int64) (int64, int64, error) {
	return swallow(src, off)
}

// Ioctl implements vfs.FileImpl: random(4).
func (randomFile) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	switch cmd {
	case unix.RNDGETENTCNT:
		bits := int32(256)
		return 0, usermem.Out(t.Mem(), usermem.Addr(arg), &bits)
	case unix.RNDADDTOENTCNT, unix.RNDADDENTROPY, unix.RNDZAPENTCNT, unix.RNDCLEARPOOL, unix.RNDRESEEDCRNG:
		if !t.Cred().HasCap(unix.CAP_SYS_ADMIN) {
			return 0, unix.EPERM
		}
		return 0, nil
	}
	return 0, unix.ENOTTY
}

var (
	_ vfs.Mapper = zeroFile{}
	_ vfs.Seeker = nullFile{}
)

// Node is a device node that boot puts into /dev.
type Node struct {
	Name         string
	Major, Minor uint32
	Mode         uint32
	Driver       interface {
		Open(t current.Task, f *vfs.File) (vfs.FileImpl, error)
	}
}

// Nodes returns the devices of this package with names, numbers and drivers.
func Nodes() []Node {
	return []Node{
		{"null", memMajor, nullMinor, 0666, Null{}},
		{"zero", memMajor, zeroMinor, 0666, Zero{}},
		{"full", memMajor, fullMinor, 0666, Full{}},
		{"random", memMajor, randomMinor, 0666, Random{Polled: true}},
		{"urandom", memMajor, urandomMinor, 0666, Random{}},
	}
}
