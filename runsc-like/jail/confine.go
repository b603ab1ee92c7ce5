package jail

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Root is a host directory, or a single file, that a gofer serves.
type Root struct {
	Path     string `json:"path"`
	ReadOnly bool   `json:"readOnly"`
	// Tree, if not 0, is a descriptor of a detached mount that is served instead
	// of what is at Path.
	Tree int `json:"tree,omitempty"`
	// At is where the guest has it, with no symbolic link on the way: "/data". What has
	// none is at RootPath also in a process that has a profile.
	At string `json:"at,omitempty"`
}

// Confinement is what a process is locked into.
type Confinement struct {
	// Roots are what is left of the host's file system: root i is at
	// RootPath(i), or a descriptor: see Birth.Label. None leaves an empty root.
	Roots []Root `json:"roots,omitempty"`
	// Caps are the capabilities that stay, towards the user namespace.
	Caps []int `json:"caps,omitempty"`
	// FDs is how many descriptors stay open: 0 up to FDs-1.
	FDs int `json:"fds"`
	// Root makes the process user and group 0 of its user namespace, and of no other
	// group.
	Root bool `json:"root,omitempty"`
}

// RootPath is where root i of a confined process is.
func RootPath(i int) string { return "/" + strconv.Itoa(i) }

// FileCaps are the capabilities by which a privileged gofer acts for the
// guest's users on files.
func FileCaps() []int {
	return []int{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID}
}

// becomeRoot takes the ids 0, with the capabilities to do so.
func (p *plan) becomeRoot() {
	// Where the namespace may not set groups, those that it has are the caller's own.
	p.do("setgroups", unix.SYS_SETGROUPS, 0, 0).but(unix.EPERM)
	p.do("setresgid", unix.SYS_SETRESGID, 0, 0, 0)
	p.do("setresuid", unix.SYS_SETRESUID, 0, 0, 0)
	// Else its /proc directory is root's, when its creator is somebody else.
	p.do("PR_SET_DUMPABLE", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1)
}

// limit allows no core file, which would hold the guest's memory, no huge pages, and as many
// descriptors as the host lets this process have.
func (p *plan) limit() error {
	var core, files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("get RLIMIT_NOFILE: %w", err)
	}
	files.Cur = files.Max
	p.do("set RLIMIT_CORE", unix.SYS_SETRLIMIT, unix.RLIMIT_CORE, p.bytes(bytesOf(&core)))
	p.do("set RLIMIT_NOFILE", unix.SYS_SETRLIMIT, unix.RLIMIT_NOFILE, p.bytes(bytesOf(&files)))
	// On hosts that give huge pages to who does not ask, Go's heap of 3 MB takes 17, of the
	// container's limit. The guest's memory is a file, for which this decides nothing.
	p.do("PR_SET_THP_DISABLE", unix.SYS_PRCTL, unix.PR_SET_THP_DISABLE, 1)
	return nil
}

// The bits of PR_SET_SECUREBITS, each with its lock.
const (
	secureNoRoot         = 1<<0 | 1<<1
	secureNoSetuidFixup  = 1<<2 | 1<<3
	secureNoAmbientRaise = 1<<6 | 1<<7
)

// dropCaps leaves the process, and what it executes, the capabilities in keep and
// no way to others.
func (p *plan) dropCaps(keep []int) {
	var want uint64
	for _, c := range keep {
		want |= 1 << c
	}
	for c := range 64 {
		if want&(1<<c) == 0 {
			p.do(fmt.Sprintf("drop capability %d", c), unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uint64(c)).but(unix.EINVAL) // past the host's last
		}
	}
	p.do("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	bits := uint64(secureNoAmbientRaise | secureNoSetuidFixup)
	if want == 0 {
		bits |= secureNoRoot // else uid 0 of the namespace keeps keep when it executes
	}
	p.do("securebits", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, bits)
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(want), Permitted: uint32(want)},
		{Effective: uint32(want >> 32), Permitted: uint32(want >> 32)},
	}
	p.do("capset", unix.SYS_CAPSET, p.bytes(bytesOf(&hdr)), p.bytes(bytesOf(&data)))
}

// descriptors gives the process the files as its descriptors from 0 on, and no
// others.
func (p *plan) descriptors(files []*os.File) {
	fds := make([]uint64, len(files))
	above := uint64(0) // all of them
	for i, f := range files {
		fds[i] = uint64(f.Fd())
		above = max(above, fds[i]+1, uint64(i)+1)
	}
	for i, fd := range fds {
		p.do("dup3", unix.SYS_DUP3, fd, above+uint64(i), 0)
	}
	for i := range fds {
		p.do("dup3", unix.SYS_DUP3, above+uint64(i), uint64(i), 0)
	}
	p.do("close_range", unix.SYS_CLOSE_RANGE, uint64(len(fds)), uint64(^uint32(0)), 0)
}
