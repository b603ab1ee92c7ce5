// Package socket has what the address families share: the contract that a
// socket of any family fulfils, messages with their control data, and the
// options of level SOL_SOCKET that are only kept.
//
//   - One package a family implements Socket; boot puts the families into a
//     Table that the kernel has.
//   - Nothing here blocks: what would is EAGAIN, and the system call waits.
//   - It knows no address but as bytes: struct sockaddr, as the guest wrote it.
package socket

import (
	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// Socket is a socket of any family. It is what vfs.File.Impl gives of a
// socket's descriptor.
type Socket interface {
	vfs.FileImpl

	// Bind gives the socket an address, bind(2).
	Bind(t current.Task, addr []byte) error
	// Connect is connect(2). EAGAIN means that the listener's queue is full;
	// EINPROGRESS that the socket will become writable, and Connect then says
	// how it ended; until then it says EALREADY.
	Connect(t current.Task, addr []byte) error
	// Listen is listen(2).
	Listen(t current.Task, backlog int) error
	// Accept takes a connection that was made, or says EAGAIN.
	Accept(t current.Task) (Socket, error)
	// Shutdown is shutdown(2); how is SHUT_RD, SHUT_WR or SHUT_RDWR.
	Shutdown(t current.Task, how int) error
	// Name returns the own address, or the peer's.
	Name(peer bool) ([]byte, error)

	// Send sends src with what m says. A stream may take less than all;
	// nothing at all is EAGAIN. EPIPE raises no signal here.
	Send(t current.Task, src usermem.Buffer, m *Message) (int64, error)
	// Recv fills dst and m. m.Flags holds the caller's MSG_* flags before
	// and those of the message after.
	Recv(t current.Task, dst usermem.Buffer, m *Message) (int64, error)

	// SetOption is setsockopt(2); value was bounded by the caller.
	SetOption(t current.Task, level, name int32, value []byte) error
	// Option is getsockopt(2); it returns the whole value, max is what the
	// caller has room for.
	Option(t current.Task, level, name int32, max int) ([]byte, error)

	// Type returns SOCK_STREAM and its like.
	Type() int32
}

// Message is a message but for its bytes.
type Message struct {
	Addr  []byte // sendmsg: destination, or nil; recvmsg: source
	Flags int32  // MSG_*
	// Least has MSG_PEEK of a stream say EAGAIN while it has fewer bytes and more
	// may come.
	Least int64
	Control

	// Store is room for an Addr.
	Store [32]byte
}

// Control is ancillary data, cmsg(3), unix(7).
type Control struct {
	// Files are descriptors under way (SCM_RIGHTS), each with a reference that
	// whoever takes the message out owns.
	Files []*vfs.File
	// Cred is who sent it, as SCM_CREDENTIALS shows it; HasCred says that there
	// is one to show.
	Cred    unix.Ucred
	HasCred bool
	// Process is whose the sender is, as SCM_PIDFD shows it; nil if nobody wanted to
	// know when it was sent. HasProcess says that it is to be shown.
	Process    current.Process
	HasProcess bool

	// Items are what else there is, each for the family or from it.
	Items []Item
}

// Item is one piece of control data: struct cmsghdr and what follows it.
type Item struct {
	Level, Type int32
	Data        []byte
}

// Passer is a family's socket that descriptors and credentials can be sent
// through (AF_UNIX, AF_NETLINK). To others SCM_RIGHTS and SCM_CREDENTIALS mean
// nothing, as to Linux.
type Passer interface{ Passes() }

// Peered is a socket that knows the process at its other end: SO_PEERPIDFD.
type Peered interface {
	// PeerProcess returns it: nil if there is none.
	PeerProcess() current.Process
}

// Asker is a socket with options of which getsockopt(2) reads what it is to
// overwrite.
type Asker interface {
	// Asks reports whether an option is one of them.
	Asks(level, name int32) bool
	// Answer is Socket.Option of one; in is what the caller passed, or the
	// beginning of it, and max how much he has room for.
	Answer(t current.Task, level, name int32, in []byte, max int) ([]byte, error)
}

// Roomy is a socket with options whose values are larger than others.
type Roomy interface {
	// MaxValue returns the most bytes that setsockopt(2) may pass; 0 for an
	// option as any other.
	MaxValue(level, name int32) int
}

// Answering is a socket with options of which setsockopt(2) writes something back
// to the caller.
type Answering interface {
	// SetOptionAt is Socket.SetOption of one of them, whose value is at addr; done
	// is false for all others.
	SetOptionAt(t current.Task, level, name int32, value []byte, addr usermem.Addr) (done bool, err error)
}

// TooShort is the error of an option for which the caller has no room, and which
// tells him how many bytes it needs.
type TooShort struct {
	Errno unix.Errno
	Need  int
}

// Error implements error.
func (e TooShort) Error() string { return e.Errno.Error() }

// Numbered is a socket that shows the number of its inode somewhere.
type Numbered interface{ SetInode(ino uint64) }

// Accepted is a socket that came from Accept and knows who it is from, also if
// the connection has ended since.
type Accepted interface{ AcceptedFrom() []byte }

// Drop releases what the control data holds.
func (c *Control) Drop(t current.Task) {
	for _, f := range c.Files {
		f.DecRef(t)
	}
	c.Files = nil
}

// Family makes sockets of one address family.
type Family interface {
	// Socket is socket(2). ESOCKTNOSUPPORT or EPROTONOSUPPORT.
	Socket(t current.Task, typ, protocol int32) (Socket, error)
	// Pair is socketpair(2). EOPNOTSUPP where the family has none.
	Pair(t current.Task, typ, protocol int32) (a, b Socket, err error)
}

// Table is the families by number (AF_*). It is not changed once a kernel has
// it.
type Table map[int32]Family

// New makes a socket. EAFNOSUPPORT for a family that is not there.
func (tab Table) New(t current.Task, family, typ, protocol int32) (Socket, error) {
	f, err := tab.family(t, family)
	if err != nil {
		return nil, err
	}
	return f.Socket(t, typ, protocol)
}

// NewPair makes two sockets that are connected to each other.
func (tab Table) NewPair(t current.Task, family, typ, protocol int32) (a, b Socket, err error) {
	f, err := tab.family(t, family)
	if err != nil {
		return nil, nil, err
	}
	return f.Pair(t, typ, protocol)
}

func (tab Table) family(t current.Task, family int32) (Family, error) {
	f, ok := tab[family]
	if !ok {
		t.Note("hull has no sockets of this address family")
		return nil, unix.EAFNOSUPPORT
	}
	return f, nil
}
