// Package agent lets a seccomp agent outside of the sandbox decide about calls of
// the guest (linux.seccomp.listenerPath of an OCI configuration).
//
// An agent is handed a descriptor on which the ioctls of seccomp_unotify(2) work.
// One of the host's kernel would be of no use: that never sees a call of the guest.
// So the descriptor is of a file that hull serves, the only one of a FUSE file
// system that is mounted nowhere. A process on the host serves it, for the sentry:
//
//	agent                     helper (Serve)              sentry (package boot)
//	  ioctl NOTIF_RECV   ───►   Receive            ───►
//	                     ◄───                      ◄───     Received: a call
//	  ioctl NOTIF_SEND   ───►   Answer             ───►
//	                     ◄───                      ◄───     Done
//	  ioctl NOTIF_ADDFD  ───►   Give, and the file ───►
//	                     ◄───                      ◄───     Done, once the guest has it
//	  poll               ───►                      ◄───     Ready, when it changes
//	  close              ───►   ends
//
// The helper is there for what the sentry cannot do: tell the number that a process
// of the sandbox has on the host, by which the agent finds the guest's memory in
// /proc/PID/mem; and get a descriptor that the agent names, by pidfd_getfd(2), from
// the process that the host's kernel says has made the ioctl. For that it has the right
// to trace of who started the container, and therefore believes the sentry in nothing: what
// that says are packets of one length, of which no number is used as one of a process
// or a descriptor. It knows nothing of what calls mean.
package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Kind says what a packet is.
type Kind uint32

// The kinds. Requests are the helper's, replies the sentry's.
const (
	Receive  Kind = iota + 1 // request: the next call (Received)
	Answer                   // request: the result of call ID (Done)
	Valid                    // request: does call ID wait? (Done)
	Give                     // request: a file, which comes with it, for the process of call ID (Done)
	Received                 // reply: a call, or Errno
	Done                     // reply: of Tag, with Errno
	Ready                    // reply, unasked: Poll is what poll(2) says from now
)

// Request is a packet of the helper's.
type Request struct {
	Kind  Kind
	Flags uint32 // of an Answer: as in struct seccomp_notif_resp, with Value and Errno
	Tag   uint64
	ID    uint64
	Value int64
	Errno int32
	// Of a Give, with Flags: as in struct seccomp_notif_addfd.
	FD, FDFlags uint32
	_           uint32
}

// Reply is a packet of the sentry's.
type Reply struct {
	Kind  Kind
	Errno int32 // positive; 0 is success
	Tag   uint64
	Call  Call
	Poll  uint32
	FD    int32 // of Done of a Give: the descriptor's number in the guest
}

// Call is struct seccomp_notif: what an agent is told of a call.
type Call struct {
	ID    uint64
	PID   uint32
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// Line is an end of the connection between helper and sentry: a socket of type
// SOCK_SEQPACKET.
type Line struct{ f *os.File }

// NewLine takes over fd.
func NewLine(fd int) (*Line, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("seccomp agent: %w", err)
	}
	return &Line{os.NewFile(uintptr(fd), "seccomp agent")}, nil
}

// Close ends the connection, for who reads, too.
func (l *Line) Close() error { return l.f.Close() }

// errPacket is that a packet is not as long as what it should be.
var errPacket = errors.New("seccomp agent: a packet of another length")

func send[T Request | Reply](l *Line, v *T) error {
	b := make([]byte, binary.Size(v))
	if _, err := binary.Encode(b, binary.NativeEndian, v); err != nil {
		return err
	}
	_, err := l.f.Write(b)
	return err
}

func receive[T Request | Reply](l *Line) (v T, err error) {
	b := make([]byte, binary.Size(v)+1)
	n, err := l.f.Read(b)
	switch {
	case err != nil:
		return v, err // io.EOF when the other side is gone
	case n == 0:
		return v, io.EOF
	case n != len(b)-1:
		return v, errPacket
	}
	_, err = binary.Decode(b[:n], binary.NativeEndian, &v)
	return v, err
}

// Ask sends a request.
func (l *Line) Ask(r *Request) error { return send(l, r) }

// AskWith sends a request, and a descriptor with it.
func (l *Line) AskWith(r *Request, fd int) error {
	b, err := binary.Append(nil, binary.NativeEndian, r)
	if err != nil {
		return err
	}
	c, err := l.f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = c.Write(func(s uintptr) bool {
		sent = unix.Sendmsg(int(s), b, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)
		return sent != unix.EAGAIN
	})
	return errors.Join(err, sent)
}

// Asked waits for the next request, and the descriptor that came with it, -1 if none
// did; io.EOF when the helper is gone.
func (l *Line) Asked() (r Request, fd int, err error) {
	c, err := l.f.SyscallConn()
	if err != nil {
		return r, -1, err
	}
	b, oob := make([]byte, binary.Size(r)+1), make([]byte, unix.CmsgSpace(4))
	n, oobn := 0, 0
	var got error
	err = c.Read(func(s uintptr) bool {
		n, oobn, _, _, got = unix.Recvmsg(int(s), b, oob, unix.MSG_CMSG_CLOEXEC)
		return got != unix.EAGAIN && got != unix.EINTR
	})
	if err == nil {
		err = got
	}
	fd = -1
	if err == nil {
		fd, err = descriptor(oob[:oobn])
	}
	switch {
	case err != nil:
	case n == 0:
		err = io.EOF
	case n != len(b)-1:
		err = errPacket
	default:
		_, err = binary.Decode(b[:n], binary.NativeEndian, &r)
	}
	if err != nil && fd >= 0 {
		_ = unix.Close(fd)
		fd = -1
	}
	return r, fd, err
}

// descriptor is the one that came with a packet; -1 if none did.
func descriptor(oob []byte) (int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) == 0 {
		return -1, err
	}
	fds, err := unix.ParseUnixRights(&msgs[0]) // there is room for one
	if err != nil || len(fds) == 0 {
		return -1, err
	}
	return fds[0], nil
}

// Tell sends a reply.
func (l *Line) Tell(r *Reply) error { return send(l, r) }

// Told waits for the next reply; io.EOF when the sentry is gone.
func (l *Line) Told() (Reply, error) { return receive[Reply](l) }
