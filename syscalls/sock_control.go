package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/fsimpl/pidfd"
	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/socket"
	"hull/sentry/usermem"
)

const (
	sizeofCmsghdr = 16
	// maxRights is SCM_MAX_FD.
	maxRights = 253
	// maxControl bounds control data copied in (net.core.optmem_max).
	maxControl = 20480
	// scmPIDFD is SCM_PIDFD.
	scmPIDFD = 4
)

func cmsgAlign(n uint64) uint64 { return (n + 7) &^ 7 }

// inControl reads a message's control data, cmsg(3). Descriptors and credentials
// are taken out for sockets that carry them; what else there is, is the family's
// to judge.
func inControl(t *kernel.Task, s socket.Socket, h *msghdr, m *socket.Message) error {
	_, passes := s.(socket.Passer)
	if h.Control == 0 || h.Controllen == 0 {
		return nil
	}
	if h.Controllen > maxControl {
		return unix.ENOBUFS
	}
	b := make([]byte, h.Controllen)
	if _, err := t.Mem().CopyIn(usermem.Addr(h.Control), b); err != nil {
		return err
	}
	for uint64(len(b)) >= sizeofCmsghdr {
		n := binary.LittleEndian.Uint64(b)
		level, typ := int32(binary.LittleEndian.Uint32(b[8:])), int32(binary.LittleEndian.Uint32(b[12:]))
		if n < sizeofCmsghdr || n > uint64(len(b)) {
			return unix.EINVAL
		}
		data := b[sizeofCmsghdr:n]
		switch {
		case !passes:
			m.Items = append(m.Items, socket.Item{Level: level, Type: typ, Data: data})
		case level == unix.SOL_SOCKET:
			if err := inControlItem(t, typ, data, m); err != nil {
				return err
			}
		}
		b = b[min(cmsgAlign(n), uint64(len(b))):]
	}
	return nil
}

func inControlItem(t *kernel.Task, typ int32, data []byte, m *socket.Message) error {
	switch typ {
	case unix.SCM_RIGHTS:
		n := len(data) / 4
		if n+len(m.Files) > maxRights {
			return unix.EINVAL
		}
		for i := range n {
			f, err := t.Files().GetPath(int32(binary.LittleEndian.Uint32(data[4*i:])))
			if err != nil {
				return err
			}
			m.Files = append(m.Files, f)
		}
	case unix.SCM_CREDENTIALS:
		if len(data) != 12 {
			return unix.EINVAL
		}
		var err error
		c := unix.Ucred{Pid: int32(binary.LittleEndian.Uint32(data)), Uid: binary.LittleEndian.Uint32(data[4:]), Gid: binary.LittleEndian.Uint32(data[8:])}
		if err = mayClaim(t, c); err != nil {
			return err
		}
		root, ok := t.RootPID(c.Pid)
		if !ok {
			return unix.ESRCH
		}
		c.Pid = root
		m.Cred, m.HasCred = c, true
		if m.Process, err = processOf(t, data); err != nil {
			return err
		}
	default:
		return unix.EINVAL
	}
	return nil
}

// processOf returns the process that SCM_CREDENTIALS names: ESRCH.
func processOf(t *kernel.Task, data []byte) (current.Process, error) {
	pid := int32(binary.LittleEndian.Uint32(data))
	if pid == t.TGID() {
		return t.Process(), nil
	}
	r, err := t.PIDRef(pid, false)
	if err == unix.ENOENT { // of a thread that is not the main one
		r, err = t.PIDRef(pid, true)
	}
	return r, err
}

// mayClaim checks what a process says of itself with SCM_CREDENTIALS.
func mayClaim(t *kernel.Task, u unix.Ucred) error {
	c := t.Cred()
	if u.Pid != t.TGID() && !c.HasCap(unix.CAP_SYS_ADMIN) ||
		u.Uid != c.RUID && u.Uid != c.EUID && u.Uid != c.SUID && !c.HasCap(unix.CAP_SETUID) ||
		u.Gid != c.RGID && u.Gid != c.EGID && u.Gid != c.SGID && !c.HasCap(unix.CAP_SETGID) {
		return unix.EPERM
	}
	return nil
}

// outControl writes control data and returns how many bytes it was. What finds
// no room is dropped and MSG_CTRUNC says so.
func outControl(t *kernel.Task, h *msghdr, m *socket.Message, flags int32) (uint64, error) {
	room := h.Controllen
	if h.Control == 0 {
		room = 0
	}
	var b []byte
	if m.HasCred {
		var d []byte
		d = binary.LittleEndian.AppendUint32(d, uint32(t.SeenPID(m.Cred.Pid)))
		d = binary.LittleEndian.AppendUint32(d, m.Cred.Uid)
		d = binary.LittleEndian.AppendUint32(d, m.Cred.Gid)
		b = appendControl(b, unix.SOL_SOCKET, unix.SCM_CREDENTIALS, d, room, m)
	}
	for _, i := range m.Items {
		b = appendControl(b, i.Level, i.Type, i.Data, room, m)
	}
	if len(m.Files) > 0 {
		b = appendControl(b, unix.SOL_SOCKET, unix.SCM_RIGHTS, takeFiles(t, m, room-min(room, uint64(len(b))), flags), room, m)
	}
	if m.HasProcess {
		b = appendPIDFD(t, b, room, m)
	}
	if len(b) == 0 {
		return 0, nil
	}
	_, err := t.Mem().CopyOut(usermem.Addr(h.Control), b)
	return uint64(len(b)), err
}

// appendPIDFD adds SCM_PIDFD. There is none of a message that was sent before somebody
// wanted to know, and a number below zero where no descriptor was free.
func appendPIDFD(t *kernel.Task, b []byte, room uint64, m *socket.Message) []byte {
	if room-min(room, uint64(len(b))) < sizeofCmsghdr+4 {
		m.Flags |= unix.MSG_CTRUNC
		return b
	}
	r, ok := m.Process.(kernel.PIDRef)
	if !ok {
		return b
	}
	n := int32(0)
	fd, err := install(t, pidfd.New(t, r, 0), true)
	if n = int32(fd); err != nil {
		errno, _ := err.(unix.Errno)
		n = -int32(errno)
	}
	return appendControl(b, unix.SOL_SOCKET, scmPIDFD, binary.LittleEndian.AppendUint32(nil, uint32(n)), room, m)
}

// takeFiles gives descriptors to as many of m's files as there is room for, and
// returns them as the data of SCM_RIGHTS.
func takeFiles(t *kernel.Task, m *socket.Message, room uint64, flags int32) []byte {
	var d []byte
	limit := t.Limits().Get(unix.RLIMIT_NOFILE).Cur
	for len(m.Files) > 0 && room >= sizeofCmsghdr+uint64(len(d))+4 {
		f := m.Files[0]
		fd, err := t.Files().Install(f, 0, flags&unix.MSG_CMSG_CLOEXEC != 0, limit)
		if err != nil {
			break
		}
		m.Files = m.Files[1:]
		d = binary.LittleEndian.AppendUint32(d, uint32(fd))
	}
	if len(m.Files) > 0 {
		m.Flags |= unix.MSG_CTRUNC
	}
	return d
}

// appendControl adds one item to b, cut to room bytes in all.
func appendControl(b []byte, level, typ int32, data []byte, room uint64, m *socket.Message) []byte {
	left := room - uint64(len(b))
	if left < sizeofCmsghdr || level == unix.SOL_SOCKET && typ == unix.SCM_RIGHTS && len(data) == 0 {
		m.Flags |= unix.MSG_CTRUNC
		return b
	}
	n := sizeofCmsghdr + uint64(len(data))
	if n > left {
		m.Flags |= unix.MSG_CTRUNC
		n = left
	}
	b = binary.LittleEndian.AppendUint64(b, n)
	b = binary.LittleEndian.AppendUint32(b, uint32(level))
	b = binary.LittleEndian.AppendUint32(b, uint32(typ))
	b = append(b, data[:n-sizeofCmsghdr]...)
	for uint64(len(b)) < min(room, (uint64(len(b))+7)&^7) {
		b = append(b, 0)
	}
	return b
}
