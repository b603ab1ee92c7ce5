package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The operations of FUSE that a file without a name sees (linux/fuse.h).
const (
	opForget      = 2
	opGetattr     = 3
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opRelease     = 18
	opFlush       = 25
	opInit        = 26
	opInterrupt   = 36
	opDestroy     = 38
	opIoctl       = 39
	opPoll        = 40
	opBatchForget = 42
)

// Of the protocol's other numbers.
const (
	fuseMajor, fuseMinor = 7, 31
	maxWrite             = 4096
	minBuffer            = 8192 + maxWrite // for a request: what the kernel wants
	openDirect           = 1 << 0          // FOPEN_DIRECT_IO
	openNoSeek           = 1 << 2          // FOPEN_NONSEEKABLE
	pollNotify           = 1 << 0          // FUSE_POLL_SCHEDULE_NOTIFY
	notifyPoll           = 1               // FUSE_NOTIFY_POLL
	listenerMode         = unix.S_IFREG | 0o600
)

// request is struct fuse_in_header, and what follows it.
type request struct {
	header struct {
		Len, Op         uint32
		Unique, Node    uint64
		UID, GID, PID   uint32
		ExtLen, Padding uint16
	}
	body []byte
}

// ioctlIn is struct fuse_ioctl_in, ioctlOut fuse_ioctl_out.
type ioctlIn struct {
	File            uint64
	Flags, Cmd      uint32
	Arg             uint64
	InSize, OutSize uint32
}

type ioctlOut struct {
	Result        int32
	Flags         uint32
	InIov, OutIov uint32
}

// pollIn is struct fuse_poll_in.
type pollIn struct {
	File, Handle  uint64
	Flags, Events uint32
}

// attrOut is struct fuse_attr_out.
type attrOut struct {
	Valid                                         uint64
	ValidNsec, _                                  uint32
	Ino, Size, Blocks, Atime, Mtime, Ctime        uint64
	AtimeNsec, MtimeNsec, CtimeNsec, Mode         uint32
	Nlink, UID, GID, Rdev, BlockSize, SpareFields uint32
}

// initOut is struct fuse_init_out.
type initOut struct {
	Major, Minor, Readahead, Flags uint32
	Background, Congestion         uint16
	MaxWrite, Granularity          uint32
	Rest                           [9]uint32
}

// device is /dev/fuse, the file system's side. Reading from it holds a thread: Go's
// poller takes the end of the file system for an error of its own.
type device struct{ fd int }

// next reads a request. ENODEV and ECONNABORTED are that nobody has the file any more:
// the host says the second to who reads while the file system goes.
func (d device) next(buf []byte) (r request, err error) {
	n := 0
	for {
		n, err = unix.Read(d.fd, buf)
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINTR) {
			break // else a request was taken back meanwhile
		}
	}
	if err != nil {
		return r, err
	}
	size, err := binary.Decode(buf[:n], binary.NativeEndian, &r.header)
	if err == nil && int(r.header.Len) != n {
		err = fmt.Errorf("FUSE: a request of %d bytes says %d", n, r.header.Len)
	}
	r.body = buf[size:n]
	return r, err
}

// answer answers a request: with an errno, or, if that is 0, with values.
func (d device) answer(unique uint64, errno unix.Errno, values ...any) error {
	b := make([]byte, 16)
	if errno != 0 {
		values = nil
	}
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, binary.NativeEndian, v); err != nil {
			return err
		}
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint32(b[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(b[8:], unique)
	_, err := unix.Write(d.fd, b)
	return err
}

// wake has who polls the file ask again.
func (d device) wake(handle uint64) {
	b := binary.NativeEndian.AppendUint32(nil, 24)
	b = binary.NativeEndian.AppendUint32(b, notifyPoll)
	b = binary.NativeEndian.AppendUint64(b, 0)
	b = binary.NativeEndian.AppendUint64(b, handle)
	_, _ = unix.Write(d.fd, b) // who has gone need not be woken
}

// plain answers what any file is asked, and reports whether it was that.
func (d device) plain(r *request) (bool, error) {
	u := r.header.Unique
	switch r.header.Op {
	case opInit:
		return true, d.answer(u, 0, initOut{Major: fuseMajor, Minor: fuseMinor, Background: 12, Congestion: 9, MaxWrite: maxWrite, Granularity: 1})
	case opGetattr:
		return true, d.answer(u, 0, attrOut{Ino: 1, Mode: listenerMode, Nlink: 1, BlockSize: 4096})
	case opOpen:
		return true, d.answer(u, 0, uint64(0), uint32(openDirect|openNoSeek), uint32(0))
	case opRead, opWrite:
		return true, d.answer(u, unix.EINVAL)
	case opRelease:
		return true, d.answer(u, 0)
	case opFlush:
		return true, d.answer(u, unix.ENOSYS) // and it is never asked again
	case opForget, opBatchForget, opDestroy:
		return true, nil
	}
	return false, nil
}

// Open makes a listener: the file for the agent, and the device by which Serve
// serves it. The caller needs the right to mount.
func Open() (dev, listener *os.File, err error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("/dev/fuse: %w", err)
	}
	mount, err := mountAt(fd)
	if err != nil {
		unix.Close(fd)
		return nil, nil, fmt.Errorf("mount a FUSE file system: %w", err)
	}
	defer unix.Close(mount)
	dev = os.NewFile(uintptr(fd), "/dev/fuse")
	// A process that closes the file waits for the answer to a flush, unless it is
	// known that there is none: this one does before there are others, who may be
	// children of this process that have it for a moment.
	go func() {
		d, buf := device{fd}, make([]byte, minBuffer)
		for {
			r, err := d.next(buf)
			if err != nil {
				return
			}
			if ok, err := d.plain(&r); err != nil || !ok || r.header.Op == opFlush {
				return
			}
		}
	}()
	file, err := unix.Open("/proc/self/fd/"+strconv.Itoa(mount), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		dev.Close()
		return nil, nil, fmt.Errorf("open a file of FUSE: %w", err)
	}
	if again, err := unix.FcntlInt(uintptr(file), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		unix.Close(again)
	}
	return dev, os.NewFile(uintptr(file), "seccomp listener"), nil
}

// mountAt mounts the file system of a device nowhere.
func mountAt(dev int) (int, error) {
	fs, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for _, o := range [][2]string{
		{"fd", strconv.Itoa(dev)}, {"rootmode", strconv.FormatInt(listenerMode, 8)},
		{"user_id", strconv.Itoa(os.Geteuid())}, {"group_id", strconv.Itoa(os.Getegid())},
	} {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return -1, fmt.Errorf("%s: %w", o[0], err)
		}
	}
	// It is who has the descriptor that may use it, whoever that is.
	flag, _ := unix.BytePtrFromString("allow_other")
	if _, _, errno := unix.Syscall6(unix.SYS_FSCONFIG, uintptr(fs), unix.FSCONFIG_SET_FLAG, uintptr(unsafe.Pointer(flag)), 0, 0, 0); errno != 0 {
		return -1, fmt.Errorf("allow_other: %w", errno)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}
