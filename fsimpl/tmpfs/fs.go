package tmpfs

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/mem"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

const pageSize = usermem.PageSize

// Options are the mount options, tmpfs(5).
type Options struct {
	Size     uint64 // bytes; 0 is no limit but the sandbox's
	Inodes   uint64 // 0 is no limit
	Mode     uint32 // of the root
	UID, GID uint32 // of the root
	// Type is the name in /proc/mounts; "" is "tmpfs".
	Type string
}

// ParseOptions reads mount(2)'s data. EINVAL for what it does not know.
func ParseOptions(data string) (Options, error) {
	o := Options{Mode: 01777}
	for _, kv := range strings.Split(data, ",") {
		k, v, _ := strings.Cut(kv, "=")
		var err error
		switch k {
		case "":
		case "size":
			o.Size, err = parseSize(v)
		case "nr_blocks":
			o.Size, err = parseSize(v)
			o.Size *= pageSize
		case "nr_inodes":
			o.Inodes, err = parseSize(v)
		case "mode":
			o.Mode, err = parse32(v, 8)
			o.Mode &= 07777
		case "uid":
			o.UID, err = parse32(v, 10)
		case "gid":
			o.GID, err = parse32(v, 10)
		case "huge", "mpol", "inode32", "inode64", "noswap":
		default:
			return o, unix.EINVAL
		}
		if err != nil {
			return o, unix.EINVAL
		}
	}
	return o, nil
}

func parse32(s string, base int) (uint32, error) {
	n, err := strconv.ParseUint(s, base, 32)
	return uint32(n), err
}

// parseSize reads a number with k, m or g behind it. A percentage is of no
// known amount: no limit.
func parseSize(s string) (uint64, error) {
	if strings.HasSuffix(s, "%") {
		_, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
		return 0, err
	}
	shift := 0
	if n := len(s); n > 0 {
		switch s[n-1] | 0x20 {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		}
		if shift > 0 {
			s = s[:n-1]
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if n > 1<<62>>shift {
		n = 1 << 62 >> shift
	}
	return n << shift, err
}

// FS is one instance.
type FS struct {
	vfs     *vfs.Filesystem // immutable
	mem     *mem.File       // immutable
	opts    Options         // immutable
	lastIno atomic.Uint64
	pages   atomic.Int64 // in use
	inodes  atomic.Int64
}

// New returns an instance and its root inode, each with a reference.
func New(m *mem.File, dev vfs.Dev, o Options) (*vfs.Filesystem, *vfs.Inode) {
	fs := &FS{mem: m, opts: o}
	typ := o.Type
	if typ == "" {
		typ = "tmpfs"
	}
	fs.vfs = vfs.NewFilesystem(fs, typ, dev)
	fs.inodes.Store(1)
	d := fs.newDir(vfs.NewInode{Mode: unix.S_IFDIR | o.Mode, UID: o.UID, GID: o.GID}, nil)
	return fs.vfs, d.node
}

// StatFS implements vfs.FilesystemImpl.
func (fs *FS) StatFS(current.Task) (unix.Statfs_t, error) {
	s := unix.Statfs_t{Type: unix.TMPFS_MAGIC, Bsize: pageSize, Frsize: pageSize, Namelen: 255}
	if fs.opts.Size > 0 {
		s.Blocks = fs.opts.Size / pageSize
		s.Bfree = s.Blocks - min(s.Blocks, uint64(fs.pages.Load()))
		s.Bavail = s.Bfree
	}
	if fs.opts.Inodes > 0 {
		s.Files = fs.opts.Inodes
		s.Ffree = s.Files - min(s.Files, uint64(fs.inodes.Load()))
	}
	return s, nil
}

// Sync implements vfs.FilesystemImpl.
func (fs *FS) Sync(current.Task) error { return nil }

// Options implements vfs.FilesystemImpl.
func (fs *FS) Options() string {
	var o []string
	if fs.opts.Size > 0 {
		o = append(o, fmt.Sprintf("size=%dk", fs.opts.Size/1024))
	}
	if fs.opts.Inodes > 0 {
		o = append(o, fmt.Sprintf("nr_inodes=%d", fs.opts.Inodes))
	}
	if fs.opts.Mode != 01777 {
		o = append(o, fmt.Sprintf("mode=%o", fs.opts.Mode))
	}
	if fs.opts.UID != 0 {
		o = append(o, fmt.Sprintf("uid=%d", fs.opts.UID))
	}
	if fs.opts.GID != 0 {
		o = append(o, fmt.Sprintf("gid=%d", fs.opts.GID))
	}
	return strings.Join(o, ",")
}

// Release implements vfs.FilesystemImpl.
func (fs *FS) Release() {}

// charge takes n pages of the limit; ENOSPC.
func (fs *FS) charge(n int64) error {
	if now := fs.pages.Add(n); fs.opts.Size > 0 && uint64(now)*pageSize > fs.opts.Size {
		fs.pages.Add(-n)
		return unix.ENOSPC
	}
	return nil
}

func (fs *FS) chargeInode() error {
	if now := fs.inodes.Add(1); fs.opts.Inodes > 0 && uint64(now) > fs.opts.Inodes {
		fs.inodes.Add(-1)
		return unix.ENOSPC
	}
	return nil
}

func now() vfs.Time {
	t := time.Now()
	return vfs.Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())}
}
