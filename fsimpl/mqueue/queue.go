package mqueue

import (
	"container/heap"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
	"hull/sentry/wait"
)

// MaxPriority is MQ_PRIO_MAX: priorities are below it.
const MaxPriority = 32768

// Attr is struct mq_attr.
type Attr struct {
	Flags       int64 // O_NONBLOCK of the open file
	MaxMessages int64
	MessageSize int64
	Messages    int64 // that are in the queue now
	_           [4]int64
}

// Message is one message. A message that was sent, or that could not be, belongs
// to the queue; one that was received to the receiver.
type Message struct {
	Data     []byte
	Priority uint32
	seq      uint64 // among those of one priority the order of arrival
}

// Queue is a message queue, and its inode.
type Queue struct {
	fs      *FS        // immutable
	node    *vfs.Inode // immutable: it holds this
	ino     uint64     // immutable
	attr    Attr       // immutable: MaxMessages and MessageSize
	user    uint32     // immutable: whose charge it is
	charged uint64     // immutable

	poll wait.Queue

	mu struct {
		lock.Mutex[lock.Inode]
		attributes
		messages  messageHeap
		bytes     int64 // in messages
		seq       uint64
		senders   []*waiter // who wait for room, the messages in hand
		receivers []*waiter // who wait for a message; only while there is none
		notify    *Notification
	}
}

// waiter is a task in mq_timedsend or mq_timedreceive. What it waits for is
// done for it by who makes it possible, so nobody comes in between.
type waiter struct {
	queue wait.Queue
	m     Message // to send, or received; guarded by the queue's mu
	done  bool    // guarded by the queue's mu
}

// Readiness implements wait.Waitable.
func (*waiter) Readiness(wait.Mask) wait.Mask { return 0 }

// Register implements wait.Waitable.
func (w *waiter) Register(e *wait.Entry, m wait.Mask) { w.queue.Register(e, m) }

// Unregister implements wait.Waitable.
func (w *waiter) Unregister(e *wait.Entry) { w.queue.Unregister(e) }

// finish ends a wait. The queue is locked.
func (w *waiter) finish() {
	w.done = true
	w.queue.Notify(wait.In)
}

// The size of a queue's file: that of the line it holds, filled up.
const fileSize = 80

func (fs *FS) newQueue(n vfs.NewInode, a *Attr) *Queue {
	q := &Queue{fs: fs, ino: fs.lastIno.Add(1), attr: Attr{MaxMessages: a.MaxMessages, MessageSize: a.MessageSize}}
	q.mu.attributes = newAttributes(n, 1, fileSize)
	q.node = vfs.NewInodeOf(fs.vfs, q, unix.S_IFREG, q.ino)
	return q
}

var (
	_ vfs.InodeImpl   = (*Queue)(nil)
	_ vfs.Revalidator = (*Queue)(nil)
)

// Stat implements vfs.InodeImpl.
func (q *Queue) Stat(current.Task) (vfs.Stat, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.stat(q.fs, q.ino, unix.S_IFREG), nil
}

// SetStat implements vfs.InodeImpl.
func (q *Queue) SetStat(_ current.Task, s vfs.SetStat) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.set(s)
	return nil
}

// Release implements vfs.InodeImpl: the queue ends, and its messages.
func (q *Queue) Release() {
	q.mu.Lock()
	var freed int64
	for i := range q.mu.messages {
		freed += q.mu.messages[i].held()
	}
	q.mu.messages = nil
	q.mu.Unlock()
	q.fs.all.held.Add(-freed)
	q.fs.uncharge(q.user, q.charged)
}

// Valid implements vfs.Revalidator: another mount, or mq_unlink, may have taken
// the name.
func (q *Queue) Valid(_ current.Task, _ *vfs.Inode, name string) bool {
	return q.fs.root.find(name) == q
}

// unlinked notes that the name is gone.
func (q *Queue) unlinked() {
	q.mu.Lock()
	q.mu.nlink = 0
	q.mu.ctime = now()
	q.mu.Unlock()
}

// Attr returns the attributes but for the flags, which are the open file's.
func (q *Queue) Attr() Attr {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.attr
	a.Messages = int64(len(q.mu.messages))
	return a
}

// Touch notes that the attributes were set.
func (q *Queue) Touch() {
	q.mu.Lock()
	q.mu.looked()
	q.mu.Unlock()
}

// held is what a message takes of maxHeld.
func (m *Message) held() int64 { return int64(len(m.Data)) + messageOverhead }

// Load copies a message in: EMSGSIZE if it is longer than the queue's may be.
func (q *Queue) Load(io usermem.IO, addr usermem.Addr, size uint64, priority uint32) (Message, error) {
	if size > uint64(q.attr.MessageSize) {
		return Message{}, unix.EMSGSIZE
	}
	m := Message{Priority: priority}
	n := int64(size) + messageOverhead
	if q.fs.all.held.Add(n) > maxHeld {
		q.fs.all.held.Add(-n)
		return m, unix.ENOMEM
	}
	m.Data = make([]byte, size)
	if _, err := io.CopyIn(addr, m.Data); err != nil {
		q.fs.all.held.Add(-n)
		return m, err
	}
	return m, nil
}

// Send puts a message in, waiting for room unless nonblock says not to.
func (q *Queue) Send(t current.Task, m Message, nonblock bool, deadline time.Time) error {
	q.mu.Lock()
	if int64(len(q.mu.messages)) < q.attr.MaxMessages {
		to := q.deliver(m)
		q.mu.touched()
		q.mu.Unlock()
		if to != nil && to.Kind == sigevSignal && to.Signo != 0 {
			to.To.MessageArrived(t, to.Signo)
		}
		return nil
	}
	if nonblock {
		q.mu.Unlock()
		q.fs.all.held.Add(-m.held())
		return unix.EAGAIN
	}
	w := &waiter{m: m}
	q.mu.senders = append(q.mu.senders, w)
	q.mu.Unlock()
	err := q.wait(t, w, &q.mu.senders, deadline)
	if err != nil {
		q.fs.all.held.Add(-m.held())
	}
	return err
}

// deliver gives m to who has waited longest for a message or, if nobody waits,
// keeps it and returns who is to be told. q is locked.
func (q *Queue) deliver(m Message) *Notification {
	if w := shift(&q.mu.receivers); w != nil {
		w.m = m
		w.finish()
		return nil
	}
	q.push(m)
	var to *Notification
	if len(q.mu.messages) == 1 {
		to, q.mu.notify = q.mu.notify, nil
	}
	q.poll.Notify(wait.In | wait.RdNrm)
	return to
}

// push keeps a message. q is locked.
func (q *Queue) push(m Message) {
	q.mu.seq++
	m.seq = q.mu.seq
	heap.Push(&q.mu.messages, m)
	q.mu.bytes += int64(len(m.Data))
}

// Receive takes the oldest message of the highest priority, waiting for one
// unless nonblock says not to.
func (q *Queue) Receive(t current.Task, nonblock bool, deadline time.Time) (Message, error) {
	q.mu.Lock()
	if len(q.mu.messages) > 0 {
		m := q.pop()
		q.mu.touched()
		q.mu.Unlock()
		q.fs.all.held.Add(-m.held())
		return m, nil
	}
	if nonblock {
		q.mu.Unlock()
		return Message{}, unix.EAGAIN
	}
	w := &waiter{}
	q.mu.receivers = append(q.mu.receivers, w)
	q.mu.Unlock()
	if err := q.wait(t, w, &q.mu.receivers, deadline); err != nil {
		return Message{}, err
	}
	q.fs.all.held.Add(-w.m.held())
	return w.m, nil
}

// pop takes a message out, and lets who has waited longest for room send. q is
// locked.
func (q *Queue) pop() Message {
	m := heap.Pop(&q.mu.messages).(Message)
	q.mu.bytes -= int64(len(m.Data))
	if w := shift(&q.mu.senders); w != nil {
		q.push(w.m)
		w.m = Message{}
		w.finish()
	} else {
		q.poll.Notify(wait.Out | wait.WrNrm)
	}
	return m
}

// wait waits until w, which is in list, is done.
func (q *Queue) wait(t current.Task, w *waiter, list *[]*waiter, deadline time.Time) error {
	err := current.Retry(t, w, wait.In, deadline, func() error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if w.done {
			return nil
		}
		return unix.EAGAIN
	})
	if err == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.done { // it came with the signal or the end of time, and wins
		return nil
	}
	for i, x := range *list {
		if x == w {
			*list = append((*list)[:i], (*list)[i+1:]...)
			break
		}
	}
	return err
}

// shift takes the first of a list off it, nil if there is none.
func shift(list *[]*waiter) *waiter {
	if len(*list) == 0 {
		return nil
	}
	w := (*list)[0]
	(*list)[0] = nil
	*list = (*list)[1:]
	return w
}

// messageHeap has the oldest message of the highest priority first.
type messageHeap []Message

// Len implements heap.Interface.
func (h messageHeap) Len() int { return len(h) }

// Less implements heap.Interface.
func (h messageHeap) Less(i, j int) bool {
	if h[i].Priority != h[j].Priority {
		return h[i].Priority > h[j].Priority
	}
	return h[i].seq < h[j].seq
}

// Swap implements heap.Interface.
func (h messageHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *messageHeap) Push(m any) { *h = append(*h, m.(Message)) }

// Pop implements heap.Interface.
func (h *messageHeap) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = Message{}
	*h = (*h)[:last]
	return m
}

// line is what reading the queue's file shows.
func (q *Queue) line(t current.Task) string {
	q.mu.Lock()
	n, bytes := q.mu.notify, q.mu.bytes
	q.mu.looked()
	q.mu.Unlock()
	var kind, signo, pid int32
	if n != nil {
		kind, pid = n.Kind, n.To.PIDFor(t)
		if n.Kind == sigevSignal {
			signo = n.Signo
		}
	}
	s := fmt.Sprintf("QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", bytes, kind, signo, pid)
	return s[:min(len(s), fileSize-1)]
}
