package seccomp

import (
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// Listener is where a filter's SECCOMP_RET_USER_NOTIF sends calls: a supervisor
// takes them from a file (fsimpl/seccompfd) and says what becomes of them
// (seccomp_unotify(2)).
//
// Life of a call: Ask puts it on the list, Receive gives it to the supervisor,
// Answer ends it. The task that made it waits all the while; gifts, descriptors
// that the supervisor has for it, it takes itself. If it is interrupted, it
// forgets the call: then the supervisor's answer finds nothing.
type Listener struct {
	// Killable says that a task whose call was received waits on when signals come
	// that do not kill it (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
	Killable bool // immutable
	q        wait.Queue

	mu    lock.Mutex[lock.Leaf] // guards what follows, and all of each call
	gone  bool                  // the file is closed
	users int                   // tasks that have the filter
	next  uint64                // number of the next call
	calls []*Call
}

// Call is a call that is on the list of a Listener, or was.
type Call struct {
	ID   uint64       // immutable
	Data Data         // immutable
	Task current.Task // immutable: who made it

	l      *Listener
	q      wait.Queue // of the task
	state  callState
	answer Answer
	gifts  []*Gift
}

// callState is how far a call is.
type callState int

const (
	asked callState = iota
	received
	answered
)

// Answer is what the supervisor says: the call's result, or, with Continue, that
// it is to be made.
type Answer struct {
	Value    int64
	Errno    int32 // as it stands in the register, negative; 0 for a Value
	Continue bool
}

// Result is what the call returns to the guest.
func (a Answer) Result() int64 {
	if a.Errno != 0 {
		return int64(a.Errno)
	}
	return a.Value
}

// Gift is a descriptor for the task of a call (SECCOMP_IOCTL_NOTIF_ADDFD).
type Gift struct {
	// Give installs it in the task, which calls it, and returns its number.
	Give func(current.Task) (int32, error) `snapshot:"-"`
	// Send makes the number the call's result, too.
	Send bool

	q    wait.Queue // of the supervisor
	call *Call
	done bool // guarded by the listener's mu, with what follows
	fd   int32
	err  error
}

// NewListener makes a listener without calls. Numbers begin anywhere, so that
// nobody takes one of another listener's for its own.
func NewListener(killable bool) *Listener {
	return &Listener{Killable: killable, next: rand.Uint64()}
}

// Join and Leave count the tasks that have the filter.
func (l *Listener) Join() {
	l.mu.Lock()
	l.users++
	l.mu.Unlock()
}

// Leave is the end of Join.
func (l *Listener) Leave() {
	l.mu.Lock()
	l.users--
	last := l.users == 0
	l.mu.Unlock()
	if last {
		l.q.Notify(wait.Hup | wait.In)
	}
}

// Ask puts a call of t on the list. It is nil if nobody listens any more.
func (l *Listener) Ask(t current.Task, d *Data) *Call {
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return nil
	}
	c := &Call{ID: l.next, Data: *d, Task: t, l: l}
	l.next++
	l.calls = append(l.calls, c)
	l.mu.Unlock()
	l.q.Notify(wait.In | wait.RdNrm)
	return c
}

// Serve takes the gifts that there are, in the task of the call, and reports
// whether the call was answered, and how.
func (c *Call) Serve() (Answer, bool) {
	for {
		c.l.mu.Lock()
		if len(c.gifts) == 0 {
			a, ok := c.answer, c.state == answered
			c.l.mu.Unlock()
			return a, ok
		}
		g := c.gifts[0]
		c.l.mu.Unlock()
		g.take(g.Give(c.Task))
	}
}

// take notes what became of a gift.
func (g *Gift) take(fd int32, err error) {
	c := g.call
	c.l.mu.Lock()
	for i, o := range c.gifts {
		if o == g {
			c.gifts = append(c.gifts[:i], c.gifts[i+1:]...)
			break
		}
	}
	g.fd, g.err, g.done = fd, err, true
	if g.Send && err == nil {
		c.answer = Answer{Value: int64(fd)}
	} else if g.Send {
		c.state = received // the supervisor may try again
	}
	c.l.mu.Unlock()
	g.q.Notify(wait.In)
}

// Received reports whether the supervisor has the call.
func (c *Call) Received() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.state == received
}

// Forget takes the call off the list. What is still to be given is not.
func (c *Call) Forget() {
	l := c.l
	l.mu.Lock()
	for i, o := range l.calls {
		if o == c {
			l.calls = append(l.calls[:i], l.calls[i+1:]...)
			break
		}
	}
	gifts := c.gifts
	c.gifts = nil
	for _, g := range gifts {
		g.err, g.done = unix.ESRCH, true
	}
	l.mu.Unlock()
	for _, g := range gifts {
		g.q.Notify(wait.In)
	}
}

// Readiness implements wait.Waitable for the task: In when there is something for
// Serve.
func (c *Call) Readiness(m wait.Mask) wait.Mask {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.state == answered || len(c.gifts) > 0 {
		return m & wait.In
	}
	return 0
}

// Register implements wait.Waitable.
func (c *Call) Register(e *wait.Entry, m wait.Mask) { c.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (c *Call) Unregister(e *wait.Entry) { c.q.Unregister(e) }

// Receive gives the oldest call that nobody has; EAGAIN if there is none, ENOENT
// if there will be none.
func (l *Listener) Receive() (*Call, error) {
	l.mu.Lock()
	for _, c := range l.calls {
		if c.state == asked {
			c.state = received
			l.mu.Unlock()
			l.q.Notify(wait.Out | wait.WrNrm)
			if l.Killable {
				c.q.Notify(wait.In) // how it waits changes
			}
			return c, nil
		}
	}
	defer l.mu.Unlock()
	if l.users == 0 {
		return nil, unix.ENOENT
	}
	return nil, unix.EAGAIN
}

// Return undoes Receive: the supervisor could not be told of the call.
func (l *Listener) Return(c *Call) {
	l.mu.Lock()
	again := c.state == received
	if again {
		c.state = asked
	}
	l.mu.Unlock()
	if again {
		l.q.Notify(wait.In | wait.RdNrm)
	}
}

// find returns a call by its number. mu is held.
func (l *Listener) find(id uint64) (*Call, error) {
	for _, c := range l.calls {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, unix.ENOENT
}

// held is find for what needs a call that was received and not answered:
// EINPROGRESS if it is another. mu is held.
func (l *Listener) held(id uint64) (*Call, error) {
	c, err := l.find(id)
	if err == nil && c.state != received {
		return nil, unix.EINPROGRESS
	}
	return c, err
}

// Answer ends a call.
func (l *Listener) Answer(id uint64, a Answer) error {
	l.mu.Lock()
	c, err := l.held(id)
	if err == nil {
		c.state, c.answer = answered, a
	}
	l.mu.Unlock()
	if err == nil {
		c.q.Notify(wait.In)
	}
	return err
}

// Valid is nil if the call id waits for an answer: then its task is still there.
func (l *Listener) Valid(id uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.held(id); err != nil {
		return unix.ENOENT
	}
	return nil
}

// Offer has g for the task of call id. The supervisor waits for Result then.
func (l *Listener) Offer(id uint64, g *Gift) error {
	l.mu.Lock()
	c, err := l.held(id)
	if err == nil && g.Send && len(c.gifts) > 0 {
		err = unix.EBUSY
	}
	if err == nil {
		g.call = c
		c.gifts = append(c.gifts, g)
		if g.Send {
			c.state = answered
		}
	}
	l.mu.Unlock()
	if err == nil {
		c.q.Notify(wait.In)
	}
	return err
}

// Result is the number of a gift that was taken; EAGAIN before it is.
func (g *Gift) Result() (int32, error) {
	l := g.call.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if !g.done {
		return 0, unix.EAGAIN
	}
	return g.fd, g.err
}

// Withdraw takes an offer back, unless it is being taken.
func (g *Gift) Withdraw() {
	c := g.call
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for i, o := range c.gifts {
		if o != g {
			continue
		}
		c.gifts = append(c.gifts[:i], c.gifts[i+1:]...)
		if g.Send {
			c.state = received
		}
		return
	}
}

// Readiness implements wait.Waitable for the supervisor.
func (g *Gift) Readiness(m wait.Mask) wait.Mask {
	if _, err := g.Result(); err == unix.EAGAIN {
		return 0
	}
	return m & wait.In
}

// Register implements wait.Waitable.
func (g *Gift) Register(e *wait.Entry, m wait.Mask) { g.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (g *Gift) Unregister(e *wait.Entry) { g.q.Unregister(e) }

// Close is that the supervisor's file is closed: calls fail with ENOSYS from now.
func (l *Listener) Close() {
	l.mu.Lock()
	l.gone = true
	var waiting []*Call
	for _, c := range l.calls {
		if c.state != answered {
			c.state, c.answer = answered, Answer{Errno: -int32(unix.ENOSYS)}
			waiting = append(waiting, c)
		}
	}
	l.mu.Unlock()
	for _, c := range waiting {
		c.q.Notify(wait.In)
	}
}

// closed reports whether there is nobody.
func (l *Listener) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

// Readiness implements wait.Waitable for the supervisor: In for a call to receive,
// Out for one to answer, Hup when there will be none.
func (l *Listener) Readiness(m wait.Mask) wait.Mask {
	l.mu.Lock()
	defer l.mu.Unlock()
	var r wait.Mask
	for _, c := range l.calls {
		switch c.state {
		case asked:
			r |= wait.In | wait.RdNrm
		case received:
			r |= wait.Out | wait.WrNrm
		}
	}
	if l.users == 0 {
		r |= wait.Hup
	}
	return r & (m | wait.Hup)
}

// Register implements wait.Waitable.
func (l *Listener) Register(e *wait.Entry, m wait.Mask) { l.q.Register(e, m) }

// Unregister implements wait.Waitable.
func (l *Listener) Unregister(e *wait.Entry) { l.q.Unregister(e) }
