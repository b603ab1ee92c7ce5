package ptrace

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
)

// spawn forks the calling thread; the child makes the calls in [first, end).
//
//go:noescape
func spawn(flags uintptr, first, end *call) (pid uintptr)

// pdeathsigCall makes a stub die with the sentry. A fork does not inherit it.
func pdeathsigCall() call {
	return call{unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL)}
}

// newTemplate makes the stub that all others are forks of. The calling thread
// becomes the parent of every stub, and its death theirs. The template is left
// parked.
func newTemplate(s *slots) (*addressSpace, error) {
	slot, err := s.get()
	if err != nil {
		return nil, err
	}
	t, err := spawnTemplate(s, slot)
	if err != nil {
		return nil, err
	}
	if err = confine(t, s.table(slot)); err == nil {
		err = t.park()
	}
	if err != nil {
		kill(t.tid, unix.SIGKILL)
		reap(t.tid)
		return nil, err
	}
	return &addressSpace{slots: s, slot: slot, tab: s.table(slot), leader: t}, nil
}

// spawnTemplate forks the sentry, attaches to the child and has it map the
// stub's pages.
func spawnTemplate(s *slots, slot int32) (*thread, error) {
	text, err := textFile()
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(text) }()
	// The child waits at the gate until it is traced: its int3 would kill it.
	gate, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("ptrace: eventfd: %w", err)
	}
	defer func() { _ = unix.Close(gate) }()

	const mapText = unix.MAP_PRIVATE | unix.MAP_FIXED
	var token uint64
	calls := []call{
		pdeathsigCall(),
		{unix.SYS_READ, uint64(gate), uint64(uintptr(unsafe.Pointer(&token))), 8},
		{unix.SYS_MMAP, textAddr, pageSize, unix.PROT_READ | unix.PROT_EXEC, mapText, uint64(text), 0},
		s.mapCall(slot),
	}
	end := unsafe.Add(unsafe.Pointer(&calls[0]), len(calls)*callSize)

	// A Go signal handler must not run in the child.
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return nil, fmt.Errorf("ptrace: blocking signals: %w", err)
	}
	pid := spawn(unix.CLONE_FILES, &calls[0], (*call)(end))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return nil, fmt.Errorf("ptrace: unblocking signals: %w", err)
	}
	runtime.KeepAlive(&token)
	if int(pid) < 0 {
		return nil, fmt.Errorf("ptrace: forking the template: %w", unix.Errno(-int(pid)))
	}

	t := &thread{tgid: int32(pid), tid: int32(pid)}
	if err := t.passGate(gate, uint64(uintptr(end))); err != nil {
		kill(t.tid, unix.SIGKILL)
		reap(t.tid)
		return nil, err
	}
	return t, nil
}

// passGate attaches to the new template and waits until it has made the calls
// it was spawned with, whose list ends at end.
func (t *thread) passGate(gate int, end uint64) error {
	if errno := request(unix.PTRACE_SEIZE, t.tid, 0, traceOptions); errno != 0 {
		return fmt.Errorf("ptrace: tracing is not permitted here: %w", errno)
	}
	if _, err := unix.Write(gate, binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
		return fmt.Errorf("ptrace: starting the template: %w", err)
	}
	if err := t.awaitStop(); err != nil {
		return err
	}
	var regs arch.Registers
	if errno := getRegs(t.tid, &regs); errno != 0 {
		return fmt.Errorf("ptrace: reading registers of the template: %w", errno)
	}
	if regs.Rbx != end {
		return fmt.Errorf("ptrace: the template stopped at %#x (result %d) in its first calls", regs.Rip, int64(regs.Rax))
	}
	return nil
}

// textFile returns a file with the stub's text.
func textFile() (int, error) {
	const name = "hull-stub-text"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3 every memfd was executable
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return -1, fmt.Errorf("ptrace: memfd for the stub's text: %w", err)
	}
	page := make([]byte, pageSize)
	for i := range page {
		page[i] = 0xcc // int3
	}
	copy(page, stubText[:])
	if _, err := unix.Write(fd, page); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("ptrace: writing the stub's text: %w", err)
	}
	return fd, nil
}

// A table of the template holds dataCalls calls, and behind them what their
// pointers point to.
const (
	dataCalls = 40
	dataAddr  = tableAddr + dataCalls*callSize
)

// confine takes from the template everything that it has of the sentry: memory,
// signal handlers, privileges, session; and installs the filter.
func confine(t *thread, tab *table) error {
	do := func(data []byte, calls ...call) error {
		room := unsafe.Slice((*byte)(unsafe.Pointer(&tab[dataCalls])), (tableCalls-dataCalls)*callSize)
		if copy(room, data) < len(data) || len(calls) > dataCalls {
			panic("ptrace: the template's table is too small")
		}
		copy(tab[:dataCalls], calls)
		_, err := t.run(tab, len(calls))
		return err
	}
	word := binary.NativeEndian.AppendUint64

	// A signal of a terminal or the like must not disturb a stub. (One that an
	// exception raises loses its disposition, and kills if somebody sends it.)
	ignore := word(word(word(word(nil, 1 /* SIG_IGN */), 0), 0), 0)
	var actions []call
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if sig != unix.SIGKILL && sig != unix.SIGSTOP {
			actions = append(actions, call{unix.SYS_RT_SIGACTION, uint64(sig), dataAddr, 0, 8})
		}
	}
	name := append([]byte("hull-stub"), 0)
	noCore := word(word(nil, 0), 0)
	noMask := word(nil, 0)
	half := len(actions) / 2
	steps := []struct {
		data  []byte
		calls []call
	}{
		{ignore, actions[:half]},
		{ignore, actions[half:]},
		{noMask, []call{{unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, dataAddr, 0, 8}}},
		{noCore, []call{{unix.SYS_SETRLIMIT, unix.RLIMIT_CORE, dataAddr}}},
		{name, []call{{unix.SYS_PRCTL, unix.PR_SET_NAME, dataAddr}, {unix.SYS_SETSID}}},
	}
	for _, s := range steps {
		if err := do(s.data, s.calls...); err != nil {
			return err
		}
	}
	if c, ok := t.rseqCall(); ok {
		if err := do(nil, c); err != nil {
			return err
		}
	}

	// Without capabilities: the sentry attaches to stubs when it has none itself.
	caps := make([]byte, 8+24)
	binary.NativeEndian.PutUint32(caps, unix.LINUX_CAPABILITY_VERSION_3)
	if err := do(caps, call{unix.SYS_CAPSET, dataAddr, dataAddr + 8}); err != nil {
		return err
	}
	if err := do(nil,
		call{unix.SYS_MUNMAP, 0, textAddr},
		call{unix.SYS_MUNMAP, textAddr + pageSize, tableAddr - textAddr - pageSize},
		call{unix.SYS_MUNMAP, tableAddr + pageSize, taskSize - tableAddr - pageSize},
	); err != nil {
		return err
	}

	code := stubFilter()
	prog := word(word(nil, uint64(len(code))), dataAddr+16) // struct sock_fprog
	for _, ins := range code {
		prog = binary.NativeEndian.AppendUint16(prog, ins.Code)
		prog = append(prog, ins.Jt, ins.Jf)
		prog = binary.NativeEndian.AppendUint32(prog, ins.K)
	}
	return do(prog,
		call{unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1},
		call{unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, dataAddr})
}
