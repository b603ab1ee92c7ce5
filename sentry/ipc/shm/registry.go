package shm

import (
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/lock"
)

// indexBits is how many low bits of an identifier are the segment's slot; the
// rest counts how often slots were given out.
const indexBits = 15

// Registry is the segments of an IPC namespace.
type Registry struct {
	user   *auth.UserNamespace // immutable
	limits *ipc.SystemV        // immutable

	mu    lock.Mutex[lock.Leaf] // guards what follows, and parts of the segments
	slots []*Segment
	keys  map[int32]*Segment
	seq   int32
	count int   // of segments
	pages int64 // of them
}

// New returns a registry without segments that user owns.
func New(user *auth.UserNamespace, limits *ipc.SystemV) *Registry {
	return &Registry{user: user, limits: limits, keys: map[int32]*Segment{}}
}

// Get is shmget(2). memory makes the bytes of a new segment, without locks.
func (r *Registry) Get(t current.Task, key int32, size uint64, flags uint32, memory func(size uint64) (Memory, error)) (int32, error) {
	if id, found, err := r.find(t, key, size, flags); found || err != nil {
		return id, err
	}
	if size == 0 || size > uint64(r.limits.SegmentSize.Get()) {
		return 0, unix.EINVAL
	}
	m, err := memory(size)
	if err != nil {
		return 0, err
	}
	_, tgid := t.IDs()
	s := &Segment{r: r, key: key, size: size, memory: m, perm: ipc.NewPerm(t, key, flags),
		attach: map[place]uint64{}, creator: tgid, changed: time.Now().Unix()}
	id, err := r.insert(s)
	if err == unix.EEXIST { // somebody was faster
		m.Release()
		id, _, err = r.find(t, key, size, flags)
	} else if err != nil {
		m.Release()
	}
	return id, err
}

// find looks a key up. It is no error that there is no segment to be found if
// flags ask for a new one.
func (r *Registry) find(t current.Task, key int32, size uint64, flags uint32) (id int32, found bool, err error) {
	if key == ipc.Private {
		return 0, false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.keys[key]
	switch {
	case s == nil && flags&ipc.Create == 0:
		return 0, false, unix.ENOENT
	case s == nil:
		return 0, false, nil
	case flags&(ipc.Create|ipc.Excl) == ipc.Create|ipc.Excl:
		return 0, true, unix.EEXIST
	case size > s.size:
		return 0, true, unix.EINVAL
	}
	return s.id, true, s.perm.Check(t, r.user, flags&0o777)
}

func (r *Registry) insert(s *Segment) (int32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.key != ipc.Private && r.keys[s.key] != nil {
		return 0, unix.EEXIST
	}
	if int64(r.count) >= r.limits.Segments.Get() || s.pages() > r.limits.SegmentPages.Get()-r.pages {
		return 0, unix.ENOSPC
	}
	slot := -1
	for i, o := range r.slots {
		if o == nil {
			slot = i
			break
		}
	}
	if slot < 0 {
		slot = len(r.slots)
		r.slots = append(r.slots, nil)
	}
	s.id = r.seq<<indexBits | int32(slot)
	r.seq = (r.seq + 1) & (1<<(31-indexBits) - 1)
	r.slots[slot] = s
	r.count++
	r.pages += s.pages()
	if s.key != ipc.Private {
		r.keys[s.key] = s
	}
	return s.id, nil
}

// lookup returns a segment: EINVAL. mu is held.
func (r *Registry) lookup(id int32) (*Segment, error) {
	if slot := int(id & (1<<indexBits - 1)); id >= 0 && slot < len(r.slots) && r.slots[slot] != nil && r.slots[slot].id == id {
		return r.slots[slot], nil
	}
	return nil, unix.EINVAL
}

// pages is how many a segment has.
func (s *Segment) pages() int64 {
	const page = 4096
	return int64((s.size + page - 1) / page)
}

// forget takes a segment off the list. It is false if it was not on it any more.
// mu is held.
func (r *Registry) forget(s *Segment) bool {
	if s.gone {
		return false
	}
	s.gone = true
	r.count--
	r.pages -= s.pages()
	r.slots[s.id&(1<<indexBits-1)] = nil
	if r.keys[s.key] == s {
		delete(r.keys, s.key)
	}
	return true
}

// Attach is the checking half of shmat(2): the caller may map the segment.
func (r *Registry) Attach(t current.Task, id int32, write, exec bool) (*Segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.lookup(id)
	if err != nil {
		return nil, err
	}
	want := uint32(0o444)
	if write {
		want |= 0o222
	}
	if exec {
		want |= 0o111
	}
	if err := s.perm.Check(t, r.user, want); err != nil {
		return nil, err
	}
	_, s.last = t.IDs()
	return s, nil
}

// Detached notes who did shmdt(2).
func (s *Segment) Detached(t current.Task) {
	s.r.mu.Lock()
	_, s.last = t.IDs()
	s.r.mu.Unlock()
}

// Info is struct shmid64_ds without its layout.
type Info struct {
	ID                          int32
	Perm                        ipc.Perm
	Removed, Locked             bool
	Seq                         uint16
	Size                        uint64
	Attached, Detached, Changed int64 // when, in seconds of 1970
	Creator, Last               int32
	Attaches                    uint64
	Resident                    uint64 // bytes of memory that it has; of All only
}

// The bits of a segment's mode that say what becomes of it.
const (
	modeDest   = 0o1000 // it goes with its last mapping
	modeLocked = 0o2000
)

// Mode returns the permission bits, and those two.
func (i *Info) Mode() uint32 {
	m := i.Perm.Mode
	if i.Removed {
		m |= modeDest
	}
	if i.Locked {
		m |= modeLocked
	}
	return m
}

func (s *Segment) info() Info {
	return Info{ID: s.id, Perm: s.perm, Removed: s.doomed, Locked: s.pinned, Seq: uint16(s.id >> indexBits), Size: s.size,
		Attached: s.attached, Detached: s.detached, Changed: s.changed, Creator: s.creator, Last: s.last, Attaches: uint64(len(s.attach))}
}

// All returns all segments, by slot.
func (r *Registry) All() []Info {
	r.mu.Lock()
	var all []Info
	var memories []Memory
	for _, s := range r.slots {
		if s != nil {
			all, memories = append(all, s.info()), append(memories, s.memory)
		}
	}
	r.mu.Unlock()
	for i, m := range memories {
		all[i].Resident = m.Resident() // 0 if it was released meanwhile
	}
	return all
}

// Stat is IPC_STAT, or SHM_STAT by slot, which returns the identifier too. any is
// SHM_STAT_ANY: without permission.
func (r *Registry) Stat(t current.Task, id int32, slot, any bool) (Info, int32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s *Segment
	var err error
	if slot {
		if id < 0 || int(id) >= len(r.slots) || r.slots[id] == nil {
			return Info{}, 0, unix.EINVAL
		}
		s = r.slots[id]
	} else if s, err = r.lookup(id); err != nil {
		return Info{}, 0, err
	}
	if !any {
		if err := s.perm.Check(t, r.user, 0o444); err != nil {
			return Info{}, 0, err
		}
	}
	return s.info(), s.id, nil
}

// Set is IPC_SET: owner, group and permission bits.
func (r *Registry) Set(t current.Task, id int32, uid, gid, mode uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.lookup(id)
	if err == nil {
		err = s.perm.Own(t, r.user)
	}
	if err != nil {
		return err
	}
	s.perm.UID, s.perm.GID, s.perm.Mode, s.changed = uid, gid, mode&0o777, time.Now().Unix()
	return nil
}

// Pin is SHM_LOCK and SHM_UNLOCK, which change what is told and nothing else: no
// memory of a sandbox is swapped out by hull.
func (r *Registry) Pin(t current.Task, id int32, on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.lookup(id)
	if err != nil {
		return err
	}
	c := t.Cred()
	if c.EUID != s.perm.UID && c.EUID != s.perm.CUID && !c.HasCapIn(r.user, unix.CAP_IPC_LOCK) {
		return unix.EPERM
	}
	s.pinned = on
	return nil
}

// Remove is IPC_RMID.
func (r *Registry) Remove(t current.Task, id int32) error {
	r.mu.Lock()
	s, err := r.lookup(id)
	if err == nil {
		err = s.perm.Own(t, r.user)
	}
	if err != nil {
		r.mu.Unlock()
		return err
	}
	s.doomed = true
	if r.keys[s.key] == s {
		delete(r.keys, s.key)
	}
	s.perm.Key = ipc.Private
	end := len(s.attach) == 0 && r.forget(s)
	r.mu.Unlock()
	if end {
		s.memory.Release()
	}
	return nil
}

// Usage returns how many segments there are, how many pages they have, and the
// highest slot in use.
func (r *Registry) Usage() (n int, pages uint64, highest int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.slots {
		if s != nil {
			n, highest = n+1, i
			pages += s.Size() >> 12
		}
	}
	return n, pages, highest
}

// Close removes all segments: the namespace has no task any more.
func (r *Registry) Close() {
	r.mu.Lock()
	var ended []*Segment
	for _, s := range r.slots {
		if s == nil {
			continue
		}
		if s.doomed = true; len(s.attach) == 0 && r.forget(s) {
			ended = append(ended, s)
		}
	}
	r.mu.Unlock()
	for _, s := range ended {
		s.memory.Release()
	}
}
