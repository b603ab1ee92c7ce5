package unix

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/vfs"
)

// Namespace is what the AF_UNIX sockets of one network namespace share. It is
// the Family too.
type Namespace struct {
	net *socket.NetNS // immutable

	mu       lock.Mutex[lock.Socket]
	abstract map[string]*Sock // guarded by mu: by name, its leading NUL left out

	all struct {
		lock.Mutex[lock.Leaf]
		socks map[*Sock]struct{} // that have a descriptor
	}

	flight *Flight // immutable
}

// Flight is what the sockets of a sandbox share: it counts the descriptors that
// are under way, and guards who waits for whose room.
type Flight struct {
	counter
	room lock.Mutex[lock.Leaf]
}

// NewNamespace returns the sockets of net, none so far.
func NewNamespace(net *socket.NetNS, flight *Flight) *Namespace {
	ns := &Namespace{net: net, abstract: map[string]*Sock{}, flight: flight}
	ns.all.socks = map[*Sock]struct{}{}
	return ns
}

var _ socket.Family = (*Namespace)(nil)

// sizeofPath is the size of sun_path in bytes.
const sizeofPath = 108

// address is where a socket is bound. It is immutable.
type address struct {
	name  string     // sun_path: a path, or a NUL and an abstract name
	inode *vfs.Inode // of a path, with a reference
}

func (a *address) isAbstract() bool { return len(a.name) > 0 && a.name[0] == 0 }

// sockaddr returns a as a struct sockaddr_un; a nil address has the family only.
func (a *address) sockaddr() []byte {
	b := []byte{unix.AF_UNIX, 0}
	if a == nil {
		return b
	}
	b = append(b, a.name...)
	if !a.isAbstract() {
		b = append(b, 0)
	}
	return b
}

// parse checks a struct sockaddr_un and returns its sun_path, "" for none.
func parse(addr []byte) (string, error) {
	if len(addr) < 2 || len(addr) > 2+sizeofPath {
		return "", unix.EINVAL
	}
	if addr[0] != unix.AF_UNIX || addr[1] != 0 {
		return "", unix.EINVAL
	}
	p := addr[2:]
	if len(p) == 0 || p[0] == 0 {
		return string(p), nil
	}
	if i := bytes.IndexByte(p, 0); i >= 0 {
		p = p[:i]
	}
	return string(p), nil
}

// walker is the calling task where a name is looked up in the file system.
type walker interface {
	FS() *vfs.Context
}

// lookup finds the socket bound to addr, of type typ.
func (ns *Namespace) lookup(t current.Task, addr []byte, typ int32) (*Sock, error) {
	name, err := parse(addr)
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return nil, unix.EINVAL
	case name[0] == 0:
		ns.mu.Lock()
		s := ns.abstract[name[1:]]
		ns.mu.Unlock()
		if s == nil || s.typ != typ { // the type is part of such a name
			return nil, unix.ECONNREFUSED
		}
		return s, nil
	}
	p, err := vfs.Walk(t, vfs.At{FS: t.(walker).FS(), Name: name, Follow: true})
	if err != nil {
		return nil, err
	}
	defer p.DecRef()
	if err := vfs.Access(t, p, vfs.MayWrite, false); err != nil {
		return nil, err
	}
	if p.Inode().Type != unix.S_IFSOCK {
		return nil, unix.ECONNREFUSED
	}
	s, _ := p.Inode().Bound().(*Sock)
	if s == nil {
		return nil, unix.ECONNREFUSED
	}
	return s, s.sameType(typ)
}

func (s *Sock) sameType(typ int32) error {
	if s.typ != typ {
		return unix.EPROTOTYPE
	}
	return nil
}

// Bind implements socket.Socket.
func (s *Sock) Bind(t current.Task, addr []byte) error {
	name, err := parse(addr)
	if err != nil {
		return err
	}
	s.st.Lock()
	bound := s.st.addr != nil
	s.st.Unlock()
	switch {
	case name == "" && bound:
		return nil // autobind of what has a name keeps it
	case name == "":
		return s.autobind()
	case bound && name[0] == 0:
		return unix.EINVAL
	case name[0] == 0:
		return s.bindAbstract(name)
	}
	// The mode is 0777 less the umask, which Mknod applies.
	p, err := vfs.MknodPath(t, vfs.At{FS: t.(walker).FS(), Name: name}, unix.S_IFSOCK|0777, 0)
	if err == unix.EEXIST {
		return unix.EADDRINUSE
	}
	if err != nil {
		return err
	}
	defer p.DecRef()
	a := &address{name: name, inode: p.Inode()}
	s.st.Lock()
	if s.st.addr != nil || s.st.state == closed {
		s.st.Unlock()
		_ = vfs.Unlink(t, vfs.At{FS: t.(walker).FS(), Name: name}, false)
		return unix.EINVAL
	}
	s.st.addr = a
	s.st.Unlock()
	a.inode.IncRef()
	a.inode.SetBound(s)
	return nil
}

func (s *Sock) bindAbstract(name string) error {
	s.ns.mu.Lock()
	defer s.ns.mu.Unlock()
	if s.ns.abstract[name[1:]] != nil {
		return unix.EADDRINUSE
	}
	s.st.Lock()
	defer s.st.Unlock()
	if s.st.addr != nil {
		return unix.EINVAL
	}
	s.st.addr = &address{name: name}
	s.ns.abstract[name[1:]] = s
	return nil
}

// autobind gives s an abstract name of five hexadecimal digits.
func (s *Sock) autobind() error {
	for range 1 << 20 {
		err := s.bindAbstract(fmt.Sprintf("\x00%05x", rand.Uint32N(1<<20)))
		switch err {
		case unix.EADDRINUSE:
			continue
		case unix.EINVAL: // bound by somebody else meanwhile
			return nil
		}
		return err
	}
	return unix.ENOSPC
}

// unbind gives the name up; the socket is being closed.
func (s *Sock) unbind(a *address) {
	switch {
	case a == nil:
	case a.isAbstract():
		s.ns.mu.Lock()
		if s.ns.abstract[a.name[1:]] == s {
			delete(s.ns.abstract, a.name[1:])
		}
		s.ns.mu.Unlock()
	case a.inode != nil:
		if a.inode.Bound() == any(s) {
			a.inode.SetBound(nil)
		}
		a.inode.DecRef()
	}
}
