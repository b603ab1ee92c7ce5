package msg

import (
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current"
	"hull/sentry/wait"
)

// The flags of the calls.
const (
	NoWait  = 0o4000  // IPC_NOWAIT
	Cut     = 0o10000 // MSG_NOERROR: a message that is too long is cut
	Others  = 0o20000 // MSG_EXCEPT: of any other type
	Copying = 0o40000 // MSG_COPY: the message with a number in the queue stays there
)

// receiver is a call of msgrcv(2) that sleeps.
type receiver struct {
	queue wait.Queue
	want  wanted   // immutable
	pid   int32    // immutable
	done  bool     // guarded by the registry's mu
	m     *Message // guarded by the registry's mu: once done
	err   error    // guarded by the registry's mu: once done
}

// Readiness implements wait.Waitable.
func (*receiver) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (p *receiver) Register(e *wait.Entry, m wait.Mask) { p.queue.Register(e, m) }

// Unregister implements wait.Waitable.
func (p *receiver) Unregister(e *wait.Entry) { p.queue.Unregister(e) }

// woken are receivers whose wait is over, to be told without locks.
type woken []*receiver

// finish ends a wait. The registry is locked.
func (w *woken) finish(p *receiver, m *Message, err error) {
	p.done, p.m, p.err = true, m, err
	*w = append(*w, p)
}

func (w *woken) tell() {
	for _, p := range *w {
		p.queue.Notify(wait.In)
	}
}

// wanted is what a receiver takes.
type wanted struct {
	typ   int64
	size  uint64
	flags uint32
}

// takes reports whether a message is of a type that is wanted.
func (w *wanted) takes(m *Message) bool {
	switch {
	case w.typ == 0:
		return true
	case w.typ == math.MinInt64:
		return true // whose opposite there is not: the greatest type
	case w.typ < 0:
		return m.Type <= -w.typ
	case w.flags&Others != 0:
		return m.Type != w.typ
	}
	return m.Type == w.typ
}

// fits reports whether the receiver has room for a message.
func (w *wanted) fits(m *Message) bool { return w.flags&Cut != 0 || uint64(len(m.Data)) <= w.size }

// pick returns which message of a queue is the one, -1 for none.
func (w *wanted) pick(list []*Message) int {
	best := -1
	for i, m := range list {
		if !w.takes(m) {
			continue
		}
		if w.typ >= 0 || w.flags&Copying != 0 {
			return i
		}
		if best < 0 || m.Type < list[best].Type { // the lowest type goes first
			best = i
		}
	}
	return best
}

// NewMessage returns a message with room for size bytes: EINVAL if it is longer
// than any may be, ENOMEM. It goes to Send or Drop.
func (r *Registry) NewMessage(typ int64, size uint64) (*Message, error) {
	if size > uint64(r.limits.MessageSize.Get()) {
		return nil, unix.EINVAL
	}
	if err := r.budget.Take(perMessage + int64(size)); err != nil {
		return nil, err
	}
	return &Message{Type: typ, Data: make([]byte, size)}, nil
}

// Drop gives a message up that was not sent.
func (r *Registry) Drop(m *Message) { r.budget.Give(m.held()) }

// Send is msgsnd(2). The message is the queue's then, or dropped.
func (r *Registry) Send(t current.Task, id int32, m *Message, flags uint32) error {
	r.mu.Lock()
	q, err := r.queues.Get(id)
	r.mu.Unlock()
	if err == nil {
		full := false
		err = current.Retry(t, roomOf{q}, wait.Out, time.Time{}, func() (err error) {
			full, err = r.send(t, q, m)
			if full && flags&NoWait == 0 {
				return unix.EAGAIN
			}
			return err
		})
		if err == nil && full {
			err = unix.EAGAIN
		}
	}
	if err != nil {
		r.Drop(m)
	}
	return restart(err)
}

// restart makes of an interrupted sleep one that a handler ends.
func restart(err error) error {
	if err == abi.ERESTARTSYS {
		return abi.ERESTARTNOHAND
	}
	return err
}

// roomOf is a queue as who waits for room sees it.
type roomOf struct{ q *Queue }

// Readiness implements wait.Waitable.
func (roomOf) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (r roomOf) Register(e *wait.Entry, m wait.Mask) { r.q.room.Register(e, m) }

// Unregister implements wait.Waitable.
func (r roomOf) Unregister(e *wait.Entry) { r.q.room.Unregister(e) }

// send queues a message or hands it over, unless the queue is full.
func (r *Registry) send(t current.Task, q *Queue, m *Message) (full bool, err error) {
	var w woken
	defer w.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.gone {
		return false, unix.EIDRM
	}
	if err := q.perm.Check(t, r.user, 0o222); err != nil {
		return false, err
	}
	if int64(len(m.Data))+q.bytes > q.most || int64(len(q.messages)) >= q.most {
		return true, nil
	}
	_, q.sender = t.IDs()
	q.sent = time.Now().Unix()
	for i := 0; i < len(q.receivers); {
		p := q.receivers[i]
		if !p.want.takes(m) {
			i++
			continue
		}
		q.receivers = slices.Delete(q.receivers, i, i+1)
		if !p.want.fits(m) {
			w.finish(p, nil, unix.E2BIG)
			continue
		}
		q.receiver, q.received = p.pid, q.sent
		r.budget.Give(m.held())
		w.finish(p, m, nil)
		return false, nil
	}
	q.messages = append(q.messages, m)
	q.bytes += int64(len(m.Data))
	return false, nil
}

// Receive is msgrcv(2) for who has room for size bytes. A message that is longer
// comes whole, to be cut.
func (r *Registry) Receive(t current.Task, id int32, typ int64, size uint64, flags uint32) (*Message, error) {
	r.mu.Lock()
	q, err := r.queues.Get(id)
	r.mu.Unlock()
	for err == nil {
		p := &receiver{want: wanted{typ, size, flags}}
		_, p.pid = t.IDs()
		var m *Message
		if m, err = r.receive(t, q, p); err == nil {
			return m, nil
		}
		if err == unix.ENOMSG && flags&NoWait == 0 {
			if m, err = r.sleep(t, q, p); err == nil {
				return m, nil
			}
			if err == unix.EAGAIN { // the queue is somebody else's now
				err = nil
			}
		}
	}
	return nil, restart(err)
}

// receive takes a message that is there; for who has to wait, p is left with the
// queue.
func (r *Registry) receive(t current.Task, q *Queue, p *receiver) (m *Message, err error) {
	r.mu.Lock()
	if q.gone {
		err = unix.EIDRM
	} else if err = q.perm.Check(t, r.user, 0o444); err == nil {
		m, err = r.take(q, p)
	}
	if err == unix.ENOMSG && p.want.flags&NoWait == 0 {
		q.receivers = append(q.receivers, p)
	}
	r.mu.Unlock()
	if err == nil && p.want.flags&Copying == 0 {
		q.room.Notify(wait.Out)
	}
	return m, err
}

// take takes a message out of the queue. mu is held.
func (r *Registry) take(q *Queue, p *receiver) (*Message, error) {
	w := p.want
	i := -1
	if w.flags&Copying == 0 {
		i = w.pick(q.messages)
	} else if w.typ >= 0 && w.typ < int64(len(q.messages)) {
		i = int(w.typ)
	}
	if i < 0 {
		return nil, unix.ENOMSG
	}
	m := q.messages[i]
	if !w.fits(m) {
		return nil, unix.E2BIG
	}
	if w.flags&Copying != 0 {
		if uint64(len(m.Data)) > w.size {
			return nil, unix.EINVAL // a copy is not cut
		}
		return m, nil // whose data nobody changes
	}
	q.messages = slices.Delete(q.messages, i, i+1)
	q.bytes -= int64(len(m.Data))
	q.receiver, q.received = p.pid, time.Now().Unix()
	r.budget.Give(m.held())
	return m, nil
}

func (r *Registry) sleep(t current.Task, q *Queue, p *receiver) (*Message, error) {
	err := current.Retry(t, p, wait.In, time.Time{}, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !p.done {
			return unix.EAGAIN
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.done {
		return p.m, p.err
	}
	q.receivers = slices.DeleteFunc(q.receivers, func(o *receiver) bool { return o == p })
	return nil, err
}
