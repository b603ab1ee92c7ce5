package ptrace

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"hull/platform"
	"hull/sentry/arch"
)

// context implements platform.Context.
type context struct {
	p *Platform

	// Of the task's goroutine, which is locked to its OS thread from the first
	// Switch to Release.
	as     *addressSpace // where worker is
	worker *thread
	at     pair

	turns atomic.Uint64 // calls of Switch

	interrupted atomic.Bool
	// inGuest is the worker, tgid<<32|tid, while it may be running guest code;
	// else 0.
	inGuest atomic.Uint64
}

// wakeUp is the signal that Interrupt sends: ignored by a thread that is not
// traced, and merged with one that is pending.
const wakeUp = unix.SIGURG

// Switch implements platform.Context.
func (c *context) Switch(space platform.AddressSpace, ac *arch.Context) (platform.Event, error) {
	as, ok := space.(*addressSpace)
	if !ok {
		return platform.Event{}, fmt.Errorf("ptrace: address space of another platform: %T", space)
	}
	ev, err := c.switchTo(as, ac)
	if errors.Is(err, platform.ErrGone) && c.worker != nil {
		c.worker.bury()
	}
	return ev, err
}

func (c *context) switchTo(as *addressSpace, ac *arch.Context) (platform.Event, error) {
	if c.worker != nil && (c.worker.reaped || c.worker.held) && c.as == as {
		return platform.Event{}, fmt.Errorf("ptrace: stub %d: %w", as.leader.tgid, platform.ErrGone)
	}
	if c.as != as {
		if err := c.moveTo(as, ac); err != nil {
			return platform.Event{}, err
		}
	}
	if ac.FPU.Dirty {
		if err := c.loadFPU(ac); err != nil {
			return platform.Event{}, err
		}
	}
	c.turns.Add(1)
	c.p.cpus.enter(&c.at, c.worker.tid)
	defer c.p.cpus.leave(&c.at)
	as.running.Add(1)
	defer as.running.Add(-1)
	if as.unmade.Load() != 0 {
		as.mu.Lock()
		err := as.flush(c.worker)
		as.mu.Unlock()
		if err != nil {
			return platform.Event{}, err
		}
	}
	return c.runGuest(ac)
}

// moveTo gives the context a worker in as, in place of the one it has.
func (c *context) moveTo(as *addressSpace, ac *arch.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if c.worker != nil {
		if c.as.alive() {
			if err := c.SaveFPU(ac); err != nil {
				return err
			}
		}
		if err := c.drop(); err != nil {
			return err
		}
	}
	w, err := as.addWorker()
	if bad, ok := errors.AsType[*callError](err); ok && (bad.Errno == unix.EAGAIN || bad.Errno == unix.ENOMEM) {
		// A limit of its cgroup: what the task is, the host will not run.
		return fmt.Errorf("%w: %w", platform.ErrGone, err)
	}
	if err != nil {
		return err
	}
	runtime.LockOSThread() // until drop
	c.as, c.worker = as, w
	c.p.balance.add(c)
	c.p.cpus.pin(&c.at, w.tid)
	ac.FPU.Dirty = true // the worker has the leader's
	return nil
}

// drop gives the worker up.
func (c *context) drop() error {
	c.p.balance.remove(c)
	// One that was killed is reaped before anybody's lock is waited for: who has it
	// may be waiting for the leader, which does not end before its threads.
	if w := c.worker; !w.reaped && c.as.alive() && getRegs(w.tid, &w.regs) == unix.ESRCH {
		w.bury()
	}
	err := c.as.endWorker(c.worker)
	c.as, c.worker = nil, nil
	runtime.UnlockOSThread()
	return err
}

// SaveFPU implements platform.Context.
func (c *context) SaveFPU(ac *arch.Context) error {
	if ac.FPU.Area == nil {
		ac.FPU.Area = arch.InitialFPU()
	}
	if c.worker == nil || ac.FPU.Dirty {
		return nil
	}
	n, errno := xstate(unix.PTRACE_GETREGSET, c.worker.tid, ac.FPU.Area)
	if errno != 0 {
		return failed("reading FPU state of", c.worker.tid, errno)
	}
	clear(ac.FPU.Area[n:]) // components that need a permission nobody asked for
	return nil
}

// loadFPU gives the worker the state in ac.
func (c *context) loadFPU(ac *arch.Context) error {
	area := ac.FPU.Area
	if area == nil {
		area = c.p.initial
	} else if err := arch.SanitizeFPU(area); err != nil {
		return fmt.Errorf("ptrace: an FPU image of %d bytes: %w", len(area), err)
	}
	if _, errno := xstate(unix.PTRACE_SETREGSET, c.worker.tid, area); errno != 0 {
		return failed("writing FPU state of", c.worker.tid, errno)
	}
	ac.FPU.Dirty = false
	return nil
}

// Interrupt implements platform.Context. It marks, then looks whether guest
// code is running; runGuest does the opposite, so one of them sees the other.
func (c *context) Interrupt() {
	c.interrupted.Store(true)
	if id := c.inGuest.Load(); id != 0 {
		tgkill(int32(id>>32), int32(id), wakeUp)
	}
}

// Gone implements platform.Mortal.
func (c *context) Gone() bool {
	w := c.worker
	if w == nil || w.reaped || w.held {
		return w != nil
	}
	status, news := look(w.tid)
	return news && w.ends(status)
}

// Release implements platform.Context.
func (c *context) Release() {
	if c.worker == nil {
		return
	}
	// A failure means that the stub is gone, which is as good.
	_ = c.drop()
	c.p.cpus.unpin()
}
