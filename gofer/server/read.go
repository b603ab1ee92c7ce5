package server

import (
	"encoding/binary"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

func (n *node) readlink() (string, error) {
	if n.typ != unix.S_IFLNK {
		return "", unix.EINVAL
	}
	var b [proto.MaxTarget + 1]byte
	k, err := unix.Readlinkat(n.fd, "", b[:])
	if err != nil {
		return "", err
	}
	if k > proto.MaxTarget {
		return "", unix.ENAMETOOLONG
	}
	return string(b[:k]), nil
}

func (n *node) statfs() (proto.FSStat, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(n.fd, &s); err != nil {
		return proto.FSStat{}, err
	}
	return proto.FSStat{Type: s.Type, Bsize: s.Bsize, Namelen: s.Namelen, Frsize: s.Frsize,
		Blocks: s.Blocks, Bfree: s.Bfree, Bavail: s.Bavail, Files: s.Files, Ffree: s.Ffree}, nil
}

// listing is a directory being read: its open descriptor.
type listing struct {
	mu sync.Mutex
	fd int // 0: none
}

func (l *listing) close() {
	if l.fd > 0 {
		_ = unix.Close(l.fd)
	}
}

// readdir returns entries from a cookie on; none at the end.
func (n *node) readdir(cookie int64) ([]proto.Dirent, error) {
	if !n.dir {
		return nil, unix.ENOTDIR
	}
	l := &n.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd == 0 {
		fd, err := n.reopen(unix.O_RDONLY)
		if err != nil {
			return nil, err
		}
		l.fd = fd
	}
	if _, err := unix.Seek(l.fd, cookie, unix.SEEK_SET); err != nil {
		return nil, err
	}
	buf := make([]byte, 32<<10)
	for {
		k, err := unix.Getdents(l.fd, buf)
		if err != nil {
			return nil, err
		}
		es := entries(buf[:k])
		if k == 0 {
			l.close() // the end: whoever comes again starts anew
			l.fd = 0
			return nil, nil
		}
		if len(es) > 0 {
			return es, nil
		}
		// A buffer with nothing but "." and "..": go on.
	}
}

// entries reads struct linux_dirent64s, leaving "." and ".." out.
func entries(b []byte) []proto.Dirent {
	const nameAt = 19
	var es []proto.Dirent
	for len(b) >= nameAt {
		n := int(binary.LittleEndian.Uint16(b[16:]))
		if n < nameAt || n > len(b) {
			break
		}
		name := string(b[nameAt:n])
		if i := strings.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if name != "." && name != ".." && len(name) <= proto.MaxName {
			es = append(es, proto.Dirent{Name: name, Ino: binary.LittleEndian.Uint64(b),
				Next: int64(binary.LittleEndian.Uint64(b[8:])), Type: b[18]})
		}
		b = b[n:]
	}
	return es
}

func getXattr(fd int, name string) ([]byte, error) {
	b := make([]byte, proto.MaxValue)
	n, err := unix.Fgetxattr(fd, name, b)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

func listXattr(fd int) ([]string, error) {
	b := make([]byte, proto.MaxValue)
	n, err := unix.Flistxattr(fd, b)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range strings.Split(string(b[:n]), "\x00") {
		if s != "" && len(s) <= proto.MaxName {
			names = append(names, s)
		}
	}
	return names, nil
}
