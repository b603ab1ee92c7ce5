// Package scripted is a platform whose guest is a list of steps: what guest
// code would have done between two traps is a Go function on its registers.
// It is the test double of the kernel's run loop, and needs no host process.
//
//   - It keeps to the contract of package platform, Interrupt included.
//   - An address space remembers what was mapped and runs nothing.
package scripted

import (
	"errors"

	"hull/platform"
	"hull/sentry/arch"
	"hull/sentry/lock"
)

// ErrEnd is what Switch returns when a script has no step left.
var ErrEnd = errors.New("scripted: the script is at its end")

// Step is what guest code does until its next trap.
type Step struct {
	// Do changes the state as guest code would; nil changes nothing.
	Do func(ac *arch.Context)
	// Event is the trap. Kind 0 runs until Interrupt, as an endless loop would.
	Event platform.Event
}

// Call is the step of a guest that issues system call nr.
func Call(nr uintptr, args ...uint64) Step {
	return Step{
		Event: platform.Event{Kind: platform.Syscall},
		Do: func(ac *arch.Context) {
			r := &ac.Regs
			r.OrigRax = uint64(nr)
			for i, to := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9} {
				if i < len(args) {
					*to = args[i]
				}
			}
			r.Rip += 2
			r.Rcx, r.R11 = r.Rip, r.Eflags
		},
	}
}

// Touch is the step of a guest that accesses memory which is not there.
func Touch(addr uint64, access platform.Access) Step {
	return Step{Event: platform.Event{Kind: platform.Fault, Signo: 11, Code: 1, Addr: addr, Access: access}}
}

// Spin is the step of a guest that loops until it is interrupted.
func Spin() Step { return Step{} }

// Platform hands its scripts out, one to each context in the order in which
// they are made. A context beyond the last script has an empty one.
type Platform struct {
	mu      lock.Mutex[lock.Leaf]
	scripts [][]Step // guarded by mu: not handed out yet
}

// New returns a platform with the given scripts.
func New(scripts ...[]Step) *Platform { return &Platform{scripts: scripts} }

// NewAddressSpace returns an address space with nothing mapped in it.
func (p *Platform) NewAddressSpace() (platform.AddressSpace, error) {
	return &AddressSpace{}, nil
}

// NewContext returns a context that follows the next script.
func (p *Platform) NewContext() platform.Context {
	c := &Context{wake: make(chan struct{}, 1)}
	p.mu.Lock()
	if len(p.scripts) > 0 {
		c.steps, p.scripts = p.scripts[0], p.scripts[1:]
	}
	p.mu.Unlock()
	return c
}

// MaxAddress is the end of the addresses that a guest may map.
func (p *Platform) MaxAddress() uint64 { return 1<<47 - 1<<16 }

// Release has nothing to give back.
func (p *Platform) Release() {}

// Context follows one script.
type Context struct {
	steps []Step
	wake  chan struct{} // holds a token after Interrupt
}

// Switch takes one step.
func (c *Context) Switch(_ platform.AddressSpace, ac *arch.Context) (platform.Event, error) {
	// An endless loop is over with the interrupt, whether that came during it
	// or just before: a script goes on the same way in both orders.
	if len(c.steps) > 0 && c.steps[0].Event.Kind == 0 {
		<-c.wake
		c.steps = c.steps[1:]
		return platform.Event{Kind: platform.Interrupted}, nil
	}
	select {
	case <-c.wake:
		return platform.Event{Kind: platform.Interrupted}, nil
	default:
	}
	if len(c.steps) == 0 {
		return platform.Event{}, ErrEnd
	}
	step := c.steps[0]
	c.steps = c.steps[1:]
	ac.Regs.OrigRax = ^uint64(0)
	ac.FPU.Dirty = false
	if step.Do != nil {
		step.Do(ac)
	}
	return step.Event, nil
}

// SaveFPU makes sure that there is an image.
func (c *Context) SaveFPU(ac *arch.Context) error {
	if ac.FPU.Area == nil {
		ac.FPU.Area = arch.InitialFPU()
	}
	return nil
}

// Interrupt makes the present or the next Switch return.
func (c *Context) Interrupt() {
	select {
	case c.wake <- struct{}{}:
	default: // one is on its way already
	}
}

// Release forgets what is left of the script.
func (c *Context) Release() { c.steps = nil }
