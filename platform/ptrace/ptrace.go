package ptrace

import (
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

// Platform implements platform.Platform.
type Platform struct {
	slots    *slots
	template *addressSpace
	cpus     *placement
	balance  *balancer
	initial  []byte         // the FPU image of a new task
	reaping  sync.WaitGroup // released stubs that are not reaped yet
	watching sync.WaitGroup // the balancer
	end      chan struct{}  // closed to let the stubs' parent thread go
	ended    chan struct{}  // closed when it has gone
}

// New makes the platform. It is to be called before the sentry gives up its
// privileges, and in the user namespace and with the user ID that it keeps: a
// stub has those of this moment and no capabilities, which is what Linux
// compares when the sentry attaches to one.
func New() (*Platform, error) {
	quietChildStops()
	cpus, err := newPlacement()
	if err != nil {
		return nil, err
	}
	s, err := newSlots()
	if err != nil {
		return nil, err
	}
	p := &Platform{
		slots: s, cpus: cpus, balance: newBalancer(), initial: arch.InitialFPU(),
		end: make(chan struct{}), ended: make(chan struct{}),
	}
	made := make(chan error)
	go func() {
		// Locked and never unlocked: this goroutine's end is the thread's.
		runtime.LockOSThread()
		defer close(p.ended)
		var err error
		p.template, err = newTemplate(s)
		made <- err
		if err == nil {
			<-p.end
		}
	}()
	if err := <-made; err != nil {
		<-p.ended
		s.close()
		return nil, err
	}
	p.template.p = p
	if len(cpus.cpus) > 1 {
		p.watching.Go(func() { p.balance.watch(cpus, p.end) })
	}
	return p, nil
}

// NewAddressSpace implements platform.Platform.
func (p *Platform) NewAddressSpace() (platform.AddressSpace, error) { return p.template.Fork() }

// part implements platform.Platform: address spaces that are forks of a template
// of their own, and so are born in its cgroup.
type part struct {
	*Platform
	root *addressSpace
}

// Divide implements platform.Divider.
func (p *Platform) Divide() (platform.Platform, int, error) {
	as, err := p.template.fork()
	if err != nil {
		return nil, 0, err
	}
	as.leader.hold = true
	return &part{p, as}, int(as.leader.tgid), nil
}

// NewAddressSpace implements platform.Platform.
func (p *part) NewAddressSpace() (platform.AddressSpace, error) { return p.root.Fork() }

// Release implements platform.Platform.
func (p *part) Release() { p.root.Release() }

// NewContext implements platform.Platform.
func (p *Platform) NewContext() platform.Context {
	return &context{p: p, at: pair{home: -1}}
}

// MaxAddress implements platform.Platform.
func (p *Platform) MaxAddress() uint64 { return maxAddress }

// Release implements platform.Platform. All address spaces must have been
// released.
func (p *Platform) Release() {
	p.template.Release()
	p.reaping.Wait()
	close(p.end)
	<-p.ended
	p.watching.Wait()
	p.slots.close()
}

// quietChildStops keeps the kernel from sending SIGCHLD at each stop of a stub;
// the Go runtime's handler of it would interrupt some thread each time. Go
// offers no way to set SA_NOCLDSTOP, so the flag is added to what is in place.
func quietChildStops() {
	var action struct { // struct sigaction of the kernel
		handler  uintptr
		flags    uint64
		restorer uintptr
		mask     uint64
	}
	const saNoCldStop = 1
	at := uintptr(unsafe.Pointer(&action))
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), 0, at, 8, 0, 0)
	if errno == 0 {
		action.flags |= saNoCldStop
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), at, 0, 8, 0, 0)
	}
}
