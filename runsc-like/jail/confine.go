package jail

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Root is a host directory, or a single file, that a gofer serves.
type Root struct {
	Path     string `json:"path"`
	ReadOnly bool   `json:"readOnly"`
	// Tree, if not 0, is a descriptor of a detached mount that is served instead
	// of what is at Path.
	Tree int `json:"tree,omitempty"`
}

// Confinement is what Confine locks its process into.
type Confinement struct {
	// Roots are what is left of the host's file system: root i is at
	// RootPath(i). None leaves an empty root.
	Roots []Root `json:"roots,omitempty"`
	// Caps are the capabilities that stay, towards the user namespace.
	Caps []int `json:"caps,omitempty"`
	// FDs is how many descriptors stay open: 0 up to FDs-1.
	FDs int `json:"fds"`
	// Root makes the process user and group 0 of its user namespace, and of no other
	// group: its ids were mapped when it was there already.
	Root bool `json:"root,omitempty"`
}

// RootPath is where root i of a confined process is.
func RootPath(i int) string { return "/" + strconv.Itoa(i) }

// FileCaps are the capabilities by which a privileged gofer acts for the
// guest's users on files.
func FileCaps() []int {
	return []int{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID}
}

// Confine locks the calling process in and executes the same binary again with
// args and an empty environment. It returns only with an error. The process has
// to be alone in new namespaces, with all capabilities in its user namespace.
func Confine(c Confinement, args []string) error {
	// Capabilities belong to a thread; the execution keeps those of this one.
	runtime.LockOSThread()
	self, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /proc/self/exe: %w", err)
	}
	if c.Root {
		if err := becomeRoot(); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("hull")); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if err := enterRoot(c.Roots); err != nil {
		return err
	}
	if err := unix.CloseRange(uint(c.FDs), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	if err := setLimits(); err != nil {
		return err
	}
	if err := dropCaps(c.Caps); err != nil {
		return err
	}
	return execSelf(self, args)
}

// becomeRoot takes the ids 0, with the capabilities to do so.
func becomeRoot() error {
	// Where the namespace may not set groups, those that it has are the caller's own.
	if err := unix.Setgroups(nil); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := unix.Setresgid(0, 0, 0); err != nil {
		return fmt.Errorf("setresgid: %w", err)
	}
	if err := unix.Setresuid(0, 0, 0); err != nil {
		return fmt.Errorf("setresuid: %w", err)
	}
	return nil
}

// setLimits allows no core file, which would hold the guest's memory, and as
// many descriptors as the host lets it have.
func setLimits() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("set RLIMIT_CORE: %w", err)
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("get RLIMIT_NOFILE: %w", err)
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("set RLIMIT_NOFILE: %w", err)
	}
	return nil
}

// The bits of PR_SET_SECUREBITS, each with its lock.
const (
	secureNoRoot         = 1<<0 | 1<<1
	secureNoSetuidFixup  = 1<<2 | 1<<3
	secureNoAmbientRaise = 1<<6 | 1<<7
)

// dropCaps leaves the calling thread, and what it executes, the capabilities in
// keep and no way to others.
func dropCaps(keep []int) error {
	var want uint64
	for _, c := range keep {
		want |= 1 << c
	}
	for c := 0; c < 64; c++ {
		if want&(1<<c) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // past the host's last capability
		}
		if err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	bits := uintptr(secureNoAmbientRaise | secureNoSetuidFixup)
	if want == 0 {
		bits |= secureNoRoot // else uid 0 of the namespace keeps keep when it executes
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, bits, 0, 0, 0); err != nil {
		return fmt.Errorf("securebits: %w", err)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(want), Permitted: uint32(want)},
		{Effective: uint32(want >> 32), Permitted: uint32(want >> 32)},
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}

// execSelf executes the file behind fd.
func execSelf(fd int, args []string) error {
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		p, err := unix.BytePtrFromString(a)
		if err != nil {
			return fmt.Errorf("argument %q: %w", a, err)
		}
		argv[i] = p
	}
	empty, env := []byte{0}, []*byte{nil}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])), unix.AT_EMPTY_PATH, 0)
	runtime.KeepAlive(argv)
	return os.NewSyscallError("execveat", errno)
}
