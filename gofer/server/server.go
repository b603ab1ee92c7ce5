// Package server is the gofer: it serves the files beneath a few directories to
// a sentry that may have been taken over.
//
//   - Whatever the sentry asks, nothing outside of the roots is touched: every
//     name is one component, opened beneath the descriptor of its directory
//     without following links (openat2).
//   - Nothing of a read-only root is changed. Devices, FIFOs and sockets are
//     never opened.
//   - It knows no sentry package, and no path but the roots' own descriptors.
package server

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"hull/gofer/proto"
)

// Root is a directory, or a file, that is served.
type Root struct {
	FD       int // O_PATH
	ReadOnly bool
	// Dir and Name lead to the root too: one that is a file is opened by them.
	Dir  int
	Name string
}

// workers is how many requests are served at once.
const workers = 4

// maxNodes bounds how many files are held; the descriptors they need are bounded
// by RLIMIT_NOFILE before.
const maxNodes = 1 << 18

// server is one gofer.
type server struct {
	conn  int
	roots []Root

	mu    sync.Mutex // guards nodes and last, and the reference counts
	nodes map[uint32]*node
	last  uint32
	// order serialises what changes names, so that a file's place stays true.
	order sync.RWMutex
}

// node is a file that the sentry knows by a number.
type node struct {
	fd       int  // O_PATH
	lent     bool // fd is a root's, which stays open
	readOnly bool
	dir      bool
	typ      uint32 // S_IFMT bits
	dev, ino uint64
	refs     int // the table's, and users'

	// Where it was found; order guards them. nil for a root.
	parent *node
	name   string

	list listing
}

// Serve serves until the connection ends, and lets go of all files then. The
// connection and the roots stay the caller's.
func Serve(conn int, roots []Root) error {
	s := &server{conn: conn, roots: roots, nodes: map[uint32]*node{}}
	errs := make(chan error, workers)
	for range workers {
		go func() { errs <- s.work() }()
	}
	var first error
	for range workers {
		if err := <-errs; err != nil && err != io.EOF && first == nil {
			first = err
		}
	}
	for _, n := range s.nodes { // nobody else is there any more
		s.put(n)
	}
	return first
}

// work serves requests one after the other.
func (s *server) work() error {
	in, out := make([]byte, proto.MaxMessage), make([]byte, 0, proto.MaxMessage)
	for {
		n, fd, err := proto.Recv(s.conn, in)
		if fd >= 0 {
			_ = unix.Close(fd) // the sentry has nothing to give
		}
		if err != nil {
			// The other workers wait for the same socket.
			_ = unix.Shutdown(s.conn, unix.SHUT_RDWR)
			return err
		}
		r, err := proto.DecodeRequest(in[:n])
		if err != nil {
			_ = unix.Shutdown(s.conn, unix.SHUT_RDWR)
			return err
		}
		reply := proto.Reply{Op: r.Op, Tag: r.Tag}
		give := -1
		if err := s.serve(r, &reply, &give); err != nil {
			reply.Errno = uint32(errno(err))
		}
		b, err := reply.Encode(out)
		if err != nil {
			reply = proto.Reply{Op: r.Op, Tag: r.Tag, Errno: uint32(unix.EIO)}
			if b, err = reply.Encode(out); err != nil {
				return err
			}
		}
		err = proto.Send(s.conn, b, give)
		if give >= 0 {
			_ = unix.Close(give)
		}
		if err != nil {
			return err
		}
	}
}

// errno is what to tell the sentry of an error.
func errno(err error) unix.Errno {
	if e, ok := err.(unix.Errno); ok && e > 0 && e < 4096 {
		return e
	}
	return unix.EIO
}

// get returns the node of a number with a reference.
func (s *server) get(fid uint32) (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[fid]
	if n == nil {
		return nil, unix.EBADF
	}
	n.refs++
	return n, nil
}

// add gives a node a number. The caller's reference goes to the table.
func (s *server) add(n *node) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.nodes) >= maxNodes {
		return 0, unix.ENFILE
	}
	for {
		s.last++
		if s.last != 0 && s.nodes[s.last] == nil {
			break
		}
	}
	s.nodes[s.last] = n
	return s.last, nil
}

// put drops a reference; the last one closes the file.
func (s *server) put(n *node) {
	for n != nil {
		s.mu.Lock()
		n.refs--
		last := n.refs == 0
		s.mu.Unlock()
		if !last {
			return
		}
		if !n.lent {
			_ = unix.Close(n.fd)
		}
		n.list.close()
		n = n.parent
	}
}

func (s *server) ref(n *node) *node {
	s.mu.Lock()
	n.refs++
	s.mu.Unlock()
	return n
}

// clunk forgets numbers.
func (s *server) clunk(fids []uint32) {
	for _, f := range fids {
		s.mu.Lock()
		n := s.nodes[f]
		delete(s.nodes, f)
		s.mu.Unlock()
		s.put(n)
	}
}
