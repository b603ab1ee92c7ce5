package notify

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What is asked of a FUSE server (enum fuse_opcode).
const (
	opForget      = 2
	opGetattr     = 3
	opOpen        = 14
	opRelease     = 18
	opFlush       = 25
	opInit        = 26
	opInterrupt   = 36
	opDestroy     = 38
	opIoctl       = 39
	opPoll        = 40
	opBatchForget = 42
)

const (
	// requestHeader and replyHeader are the sizes of struct fuse_in_header and
	// struct fuse_out_header, in bytes.
	requestHeader = 40
	replyHeader   = 16
	// maxWrite is the smallest that the host's kernel knows; the buffer of a
	// server must have room for one more page.
	maxWrite   = 4096
	bufferSize = 4 * maxWrite

	// notifyPoll is an unasked reply: a file that was polled may be ready.
	notifyPoll = 1

	// openDirect and openStream say of an open file that nothing of it is cached,
	// that it has no offset, and that nobody is told of one descriptor's end
	// (FOPEN_DIRECT_IO, FOPEN_NONSEEKABLE, FOPEN_NOFLUSH).
	openDirect   = 1 << 0
	openNoOffset = 1 << 2
	openNoFlush  = 1 << 5
)

// request is one that was read from the device. Its body is valid until the next.
type request struct {
	op     uint32
	unique uint64
	body   []byte
}

// errGone is that the file system is no more: nobody has the file.
var errGone = errors.New("the file is closed")

// device is the server's end of a FUSE connection.
type device struct {
	fd  int
	buf [bufferSize]byte
}

// next reads a request; errGone if there will be none.
func (d *device) next() (request, error) {
	for {
		n, err := unix.Read(d.fd, d.buf[:])
		switch err {
		case nil:
		case unix.EINTR, unix.EAGAIN, unix.ENOENT: // ENOENT: it was taken back just now
			continue
		case unix.ENODEV, unix.ECONNABORTED:
			return request{}, errGone
		default:
			return request{}, fmt.Errorf("fuse: %w", err)
		}
		b := d.buf[:n]
		if n < requestHeader || int(binary.NativeEndian.Uint32(b)) != n {
			return request{}, fmt.Errorf("fuse: a request of %d bytes", n)
		}
		return request{
			op: binary.NativeEndian.Uint32(b[4:]), unique: binary.NativeEndian.Uint64(b[8:]), body: b[requestHeader:],
		}, nil
	}
}

// reply answers the request unique: with an error, or with a body. ENOENT says
// that whoever asked does not wait any more.
func (d *device) reply(unique uint64, errno unix.Errno, body ...any) error {
	b := make([]byte, replyHeader, replyHeader+128)
	if errno == 0 {
		for _, v := range body {
			var err error
			if b, err = binary.Append(b, binary.NativeEndian, v); err != nil {
				return fmt.Errorf("fuse: %w", err)
			}
		}
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint32(b[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(b[8:], unique)
	return d.write(b)
}

// wake tells the kernel that the file whose poll had the handle may be ready.
func (d *device) wake(handle uint64) error {
	b := make([]byte, replyHeader, replyHeader+8)
	binary.NativeEndian.PutUint32(b[4:], notifyPoll)
	b = binary.NativeEndian.AppendUint64(b, handle)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return d.write(b)
}

func (d *device) write(b []byte) error {
	for {
		_, err := unix.Write(d.fd, b)
		if err != unix.EINTR {
			return err
		}
	}
}

// The bodies of replies.
type (
	initReply struct {
		Major, Minor, MaxReadahead, Flags uint32
		MaxBackground, Congestion         uint16
		MaxWrite, TimeGran                uint32
		Rest                              [9]uint32
	}
	attrReply struct {
		Valid                       uint64 // seconds
		ValidNsec, _                uint32
		Ino, Size, Blocks           uint64
		Atime, Mtime, Ctime         uint64
		AtimeNsec, MtimeNsec, CNsec uint32
		Mode, Nlink, UID, GID       uint32
		Rdev, BlockSize, Flags      uint32
	}
	openReply struct {
		Handle   uint64
		Flags, _ uint32
	}
	ioctlReply struct {
		Result         int32
		Flags, In, Out uint32
	}
	pollReply struct{ Ready, _ uint32 }
)

// rootMode is what the file is: its file system's root.
const rootMode = unix.S_IFREG | 0600

// common answers what is the same whoever serves: false if r is something else.
func (d *device) common(r request) (bool, error) {
	switch r.op {
	case opInit:
		return true, d.reply(r.unique, 0, &initReply{Major: 7, Minor: 31, MaxBackground: 1, Congestion: 1, MaxWrite: maxWrite, TimeGran: 1})
	case opGetattr:
		return true, d.reply(r.unique, 0, &attrReply{Ino: 1, Mode: rootMode, Nlink: 1, BlockSize: maxWrite})
	case opOpen:
		return true, d.reply(r.unique, 0, &openReply{Flags: openDirect | openNoOffset | openNoFlush})
	case opForget, opBatchForget:
		return true, nil // has no reply
	case opFlush, opRelease, opDestroy, opIoctl, opPoll, opInterrupt:
		return false, nil
	}
	return true, d.reply(r.unique, unix.ENOSYS)
}
