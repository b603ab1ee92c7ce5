package sem

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/lock"
)

// MaxValue is the most that a semaphore can be (SEMVMX).
const MaxValue = 32767

// Registry is the semaphore sets of an IPC namespace.
type Registry struct {
	user   *auth.UserNamespace // immutable
	limits *ipc.SystemV        // immutable
	budget *ipc.Budget         // immutable

	mu    lock.Mutex[lock.Leaf] // guards what follows, the sets and the undos
	sets  ipc.Table[*Set]
	total int64 // semaphores of all sets
}

// New returns a registry without sets that user owns.
func New(user *auth.UserNamespace, limits *ipc.SystemV, budget *ipc.Budget) *Registry {
	return &Registry{user: user, limits: limits, budget: budget}
}

// Set is a set of semaphores.
type Set struct {
	perm             ipc.Perm
	sems             []semaphore
	changed, operate int64 // when, in seconds of 1970; 0 is never
	waiting          []*waiter
	undos            map[*Undo][]int16
	gone             bool
}

type semaphore struct {
	value int32
	pid   int32 // who changed it last
}

// semSize is what a semaphore takes of the sentry's memory, in bytes, and setSize
// what its set takes beside them.
const (
	semSize = 8
	setSize = 256
)

func (s *Set) bytes() int64 { return setSize + semSize*int64(len(s.sems)) }

// Permissions implements ipc.Object.
func (s *Set) Permissions() *ipc.Perm { return &s.perm }

// Get is semget(2).
func (r *Registry) Get(t current.Task, key, n int32, flags uint32) (int32, error) {
	if n < 0 || int64(n) > r.limits.SetSize.Get() {
		return 0, unix.EINVAL
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sets.Open(t, r.user, key, flags, r.limits.Sets.Get(), func(s *Set) error {
		if int(n) > len(s.sems) {
			return unix.EINVAL
		}
		return nil
	}, func(p ipc.Perm) (*Set, error) {
		if n == 0 {
			return nil, unix.EINVAL
		}
		sets, _ := r.sets.Usage()
		if r.total+int64(n) > r.limits.Semaphores.Get() || int64(sets) >= r.limits.Sets.Get() {
			return nil, unix.ENOSPC
		}
		if err := r.budget.Take(setSize + semSize*int64(n)); err != nil {
			return nil, err
		}
		r.total += int64(n)
		return &Set{perm: p, sems: make([]semaphore, n), changed: time.Now().Unix(), undos: map[*Undo][]int16{}}, nil
	})
}

// Remove is IPC_RMID: who sleeps gets EIDRM.
func (r *Registry) Remove(t current.Task, id int32) error {
	var w woken
	defer w.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.sets.Get(id)
	if err == nil {
		err = s.perm.Own(t, r.user)
	}
	if err == nil {
		w = r.end(id, s)
	}
	return err
}

// end takes a set away and returns who is to be told. mu is held.
func (r *Registry) end(id int32, s *Set) (w woken) {
	r.sets.Remove(id)
	r.total -= int64(len(s.sems))
	freed := s.bytes()
	for u := range s.undos {
		delete(u.sets, s)
		freed += undoBytes(s)
	}
	r.budget.Give(freed)
	s.undos, s.gone = nil, true
	for _, p := range s.waiting {
		w.finish(p, unix.EIDRM)
	}
	s.waiting = nil
	return w
}

// Close removes all sets: the namespace has no task any more.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, s := range r.sets.All() {
		r.end(id, s) // nobody sleeps
	}
}

// Info is struct semid64_ds without its layout.
type Info struct {
	ID                int32
	Perm              ipc.Perm
	Operated, Changed int64 // when, in seconds of 1970
	Semaphores        int
}

func (s *Set) info(id int32) Info {
	return Info{ID: id, Perm: s.perm, Operated: s.operate, Changed: s.changed, Semaphores: len(s.sems)}
}

// Stat is IPC_STAT, or SEM_STAT by slot. any is SEM_STAT_ANY: without permission.
func (r *Registry) Stat(t current.Task, id int32, slot, any bool) (Info, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, found, err := r.sets.Look(t, r.user, id, slot, any)
	if err != nil {
		return Info{}, err
	}
	return s.info(found), nil
}

// All returns all sets, by slot.
func (r *Registry) All() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Info
	for id, s := range r.sets.All() {
		all = append(all, s.info(id))
	}
	return all
}

// Set is IPC_SET: owner, group and permission bits.
func (r *Registry) Set(t current.Task, id int32, uid, gid, mode uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.sets.Get(id)
	if err == nil {
		err = s.perm.Own(t, r.user)
	}
	if err == nil {
		s.perm.UID, s.perm.GID, s.perm.Mode, s.changed = uid, gid, mode&0o777, time.Now().Unix()
	}
	return err
}

// Usage returns how many sets and semaphores there are, and the highest slot in
// use.
func (r *Registry) Usage() (sets, semaphores, highest int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sets, highest = r.sets.Usage()
	return sets, int(r.total), highest
}

// Values is GETALL.
func (r *Registry) Values(t current.Task, id int32) ([]uint16, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, _, err := r.sets.Look(t, r.user, id, false, false)
	if err != nil {
		return nil, err
	}
	all := make([]uint16, len(s.sems))
	for i := range s.sems {
		all[i] = uint16(s.sems[i].value)
	}
	return all, nil
}

// Semaphore is what GETVAL, GETPID, GETNCNT and GETZCNT tell of one.
type Semaphore struct {
	Value, PID      int32
	Rising, Zeroing int32 // how many sleep until it is greater, and until it is 0
}

// Semaphore looks at one semaphore.
func (r *Registry) Semaphore(t current.Task, id, num int32) (v Semaphore, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, _, err := r.sets.Look(t, r.user, id, false, false)
	if err != nil {
		return v, err
	}
	if num < 0 || int(num) >= len(s.sems) {
		return v, unix.EINVAL
	}
	v.Value, v.PID = s.sems[num].value, s.sems[num].pid
	for _, p := range s.waiting {
		switch op := p.ops[p.blocking]; {
		case int32(op.Num) != num:
		case op.Delta == 0:
			v.Zeroing++
		default:
			v.Rising++
		}
	}
	return v, nil
}

// Size returns how many semaphores a set has, for who may change it.
func (r *Registry) Size(t current.Task, id int32) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.sets.Get(id)
	if err == nil {
		err = s.perm.Check(t, r.user, 0o222)
	}
	if err != nil {
		return 0, err
	}
	return len(s.sems), nil
}

// Assign is SETVAL of the semaphore first, or SETALL from 0 on. What processes
// would take back of it at their end is forgotten.
func (r *Registry) Assign(t current.Task, id, first int32, values []uint16) error {
	for _, v := range values {
		if v > MaxValue {
			return unix.ERANGE
		}
	}
	var w woken
	defer w.tell()
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.sets.Get(id)
	if err != nil {
		return err
	}
	if first < 0 || int(first)+len(values) > len(s.sems) {
		return unix.EINVAL
	}
	if err := s.perm.Check(t, r.user, 0o222); err != nil {
		return err
	}
	_, pid := t.IDs()
	for i, v := range values {
		s.sems[int(first)+i] = semaphore{int32(v), pid}
		for _, adj := range s.undos {
			adj[int(first)+i] = 0
		}
	}
	s.changed = time.Now().Unix()
	w = r.progress(s)
	return nil
}
