package msg

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/lock"
	"hull/sentry/wait"
)

// Registry is the message queues of an IPC namespace.
type Registry struct {
	user   *auth.UserNamespace // immutable
	limits *ipc.SystemV        // immutable
	budget *ipc.Budget         // immutable

	mu     lock.Mutex[lock.Leaf] // guards what follows, and the queues
	queues ipc.Table[*Queue]
}

// New returns a registry without queues that user owns.
func New(user *auth.UserNamespace, limits *ipc.SystemV, budget *ipc.Budget) *Registry {
	return &Registry{user: user, limits: limits, budget: budget}
}

// Queue is a message queue.
type Queue struct {
	perm                    ipc.Perm
	messages                []*Message
	bytes, most             int64
	sent, received, changed int64 // when, in seconds of 1970; 0 is never
	sender, receiver        int32 // the last ones
	receivers               []*receiver
	gone                    bool

	room wait.Queue // of who sleeps for room
}

// Message is one message.
type Message struct {
	Type int64
	Data []byte
}

// queueSize is what a queue takes of the sentry's memory, in bytes, and perMessage
// what a message takes beside its data.
const (
	queueSize  = 512
	perMessage = 64
)

func (m *Message) held() int64 { return perMessage + int64(len(m.Data)) }

// Permissions implements ipc.Object.
func (q *Queue) Permissions() *ipc.Perm { return &q.perm }

// Get is msgget(2).
func (r *Registry) Get(t current.Task, key int32, flags uint32) (int32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queues.Open(t, r.user, key, flags, r.limits.Queues.Get(), func(*Queue) error { return nil }, func(p ipc.Perm) (*Queue, error) {
		if n, _ := r.queues.Usage(); int64(n) >= r.limits.Queues.Get() {
			return nil, unix.ENOSPC
		}
		if err := r.budget.Take(queueSize); err != nil {
			return nil, err
		}
		return &Queue{perm: p, most: r.limits.QueueSize.Get(), changed: time.Now().Unix()}, nil
	})
}

// Remove is IPC_RMID: who sleeps gets EIDRM.
func (r *Registry) Remove(t current.Task, id int32) error {
	r.mu.Lock()
	q, err := r.queues.Get(id)
	if err == nil {
		err = q.perm.Own(t, r.user)
	}
	if err != nil {
		r.mu.Unlock()
		return err
	}
	w := r.end(id, q)
	r.mu.Unlock()
	w.tell()
	q.room.Notify(wait.Out)
	return nil
}

// end takes a queue away and returns who is to be told. mu is held.
func (r *Registry) end(id int32, q *Queue) (w woken) {
	r.queues.Remove(id)
	freed := int64(queueSize)
	for _, m := range q.messages {
		freed += m.held()
	}
	r.budget.Give(freed)
	q.messages, q.gone = nil, true
	for _, p := range q.receivers {
		w.finish(p, nil, unix.EIDRM)
	}
	q.receivers = nil
	return w
}

// Close removes all queues: the namespace has no task any more.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, q := range r.queues.All() {
		r.end(id, q) // nobody sleeps
	}
}

// Info is struct msqid64_ds without its layout.
type Info struct {
	ID                      int32
	Perm                    ipc.Perm
	Sent, Received, Changed int64 // when, in seconds of 1970
	Bytes, Most             int64
	Messages                int
	Sender, Receiver        int32
}

func (q *Queue) info(id int32) Info {
	return Info{ID: id, Perm: q.perm, Sent: q.sent, Received: q.received, Changed: q.changed, Bytes: q.bytes, Most: q.most,
		Messages: len(q.messages), Sender: q.sender, Receiver: q.receiver}
}

// Stat is IPC_STAT, or MSG_STAT by slot. any is MSG_STAT_ANY: without permission.
func (r *Registry) Stat(t current.Task, id int32, slot, any bool) (Info, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, found, err := r.queues.Look(t, r.user, id, slot, any)
	if err != nil {
		return Info{}, err
	}
	return q.info(found), nil
}

// All returns all queues, by slot.
func (r *Registry) All() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Info
	for id, q := range r.queues.All() {
		all = append(all, q.info(id))
	}
	return all
}

// Set is IPC_SET: owner, group, permission bits, and how many bytes the queue may
// have.
func (r *Registry) Set(t current.Task, id int32, uid, gid, mode uint32, most uint64) error {
	r.mu.Lock()
	q, err := r.queues.Get(id)
	if err == nil {
		err = q.perm.Own(t, r.user)
	}
	if err == nil && most > uint64(r.limits.QueueSize.Get()) && !t.Cred().HasCapIn(r.user, unix.CAP_SYS_RESOURCE) {
		err = unix.EPERM
	}
	if err != nil {
		r.mu.Unlock()
		return err
	}
	q.perm.UID, q.perm.GID, q.perm.Mode, q.changed = uid, gid, mode&0o777, time.Now().Unix()
	q.most = int64(min(most, 1<<62))
	var w woken
	for _, p := range q.receivers {
		w.finish(p, nil, unix.EAGAIN) // if they still may is to be looked at
	}
	q.receivers = nil
	r.mu.Unlock()
	w.tell()
	q.room.Notify(wait.Out)
	return nil
}

// Usage returns how many queues, messages and bytes there are, and the highest
// slot in use.
func (r *Registry) Usage() (queues, messages, bytes, highest int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	queues, highest = r.queues.Usage()
	for _, q := range r.queues.All() {
		messages, bytes = messages+len(q.messages), bytes+int(q.bytes)
	}
	return queues, messages, bytes, highest
}
