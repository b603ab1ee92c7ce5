package kernel

import (
	"golang.org/x/sys/unix"
)

// PIDNamespace numbers tasks, process groups and sessions, pid_namespaces(7).
// A task has a number in its own namespace and in each of its ancestors. All of
// it is guarded by Kernel.tasks but what is immutable.
type PIDNamespace struct {
	k      *Kernel       // immutable
	parent *PIDNamespace // immutable; nil for the root
	level  int           // immutable: 0 for the root
	id     uint32        // immutable: in /proc/PID/ns

	last     int32 // the number given out last
	tasks    map[int32]*Task
	pgrps    map[int32]*ProcessGroup
	sessions map[int32]*Session
	init     *ThreadGroup // nil before the first, and after it exited
	dead     bool         // init exited: nothing more is born here
	// ending is an init that exited, until all others are gone: only then its
	// parent is told.
	ending *ThreadGroup
}

const (
	// pidMax is /proc/sys/kernel/pid_max.
	pidMax = 1 << 22
	// reservedPIDs are not given out again after the numbers wrapped.
	reservedPIDs = 300
)

func (k *Kernel) newPIDNamespace(parent *PIDNamespace) *PIDNamespace {
	ns := &PIDNamespace{k: k, parent: parent,
		tasks: map[int32]*Task{}, pgrps: map[int32]*ProcessGroup{}, sessions: map[int32]*Session{}}
	ns.id = firstNS - 3
	if parent != nil {
		ns.level, ns.id = parent.level+1, k.nextNS()
	}
	return ns
}

// NewPIDNamespace returns a namespace without processes, whose numbers the
// initial one has numbers for too.
func (k *Kernel) NewPIDNamespace() *PIDNamespace { return k.newPIDNamespace(k.tasks.root) }

// ProcessGroup is a process group, credentials(7). It lives as long as it has
// members. Guarded by Kernel.tasks.
type ProcessGroup struct {
	ids     []int32 // by level, of the leader's namespace
	ns      *PIDNamespace
	session *Session
	members map[*ThreadGroup]struct{}
}

// Session is a session, setsid(2). Guarded by Kernel.tasks.
type Session struct {
	ids    []int32
	ns     *PIDNamespace
	leader *ThreadGroup // nil once it exited
	groups int          // process groups in it
	tty    Terminal     // controlling terminal, or nil
}

// departed are numbers of processes that have ended, the last few of them: what
// waits in a socket may name one, and tells the number that it had. Guarded by
// Kernel.tasks.
type departed struct {
	byRoot map[int32]former
	order  [maxDeparted]int32 // a ring of keys of byRoot
	next   int
}

// former are the numbers of a process that has ended.
type former struct {
	ids  []int32 // by level
	ns   *PIDNamespace
	slot int // in the ring
}

const maxDeparted = 1024

// note remembers a process that ends.
func (d *departed) note(ids []int32, ns *PIDNamespace) {
	if ns.level == 0 {
		return // its number is the root's
	}
	if d.byRoot == nil {
		d.byRoot = map[int32]former{}
	}
	if oldest := d.order[d.next]; d.byRoot[oldest].slot == d.next {
		delete(d.byRoot, oldest)
	}
	d.order[d.next] = ids[0]
	d.byRoot[ids[0]] = former{ids, ns, d.next}
	d.next = (d.next + 1) % maxDeparted
}

// idIn returns the number in ns of a process that had one in the root namespace; 0
// if it had none there, or ended long ago.
func (d *departed) idIn(root int32, ns *PIDNamespace) int32 {
	f, ok := d.byRoot[root]
	if !ok {
		return 0
	}
	return idIn(f.ids, f.ns, ns)
}

// free reports whether nobody has the number n: a pid is in use while it names
// a process group or session too.
func (ns *PIDNamespace) free(n int32) bool {
	return ns.tasks[n] == nil && ns.pgrps[n] == nil && ns.sessions[n] == nil
}

// allocate gives out numbers in ns and its ancestors. want, if not nil, are the
// numbers that clone3's set_tid asks for, innermost first.
func (ns *PIDNamespace) allocate(want []int32) ([]int32, error) {
	ids := make([]int32, ns.level+1)
	for n := ns; n != nil; n = n.parent {
		if n.dead {
			return nil, unix.ENOMEM // as Linux says of a namespace whose init is gone
		}
		if len(want) > 0 {
			id := want[0]
			want = want[1:]
			if id < 1 || id >= pidMax || id != 1 && n.init == nil && len(n.tasks) == 0 {
				return nil, unix.EINVAL
			}
			if !n.free(id) {
				return nil, unix.EEXIST
			}
			ids[n.level] = id
			continue
		}
		id, err := n.next()
		if err != nil {
			return nil, err
		}
		ids[n.level] = id
	}
	return ids, nil
}

func (ns *PIDNamespace) next() (int32, error) {
	for range pidMax {
		ns.last++
		if ns.last >= pidMax {
			ns.last = reservedPIDs
		}
		if ns.free(ns.last) {
			return ns.last, nil
		}
	}
	return 0, unix.EAGAIN
}

// enter puts t into the maps of its namespaces; leave takes it out.
func (t *Task) enter() {
	for n := t.ns; n != nil; n = n.parent {
		n.tasks[t.tids[n.level]] = t
	}
}

func (t *Task) leave() {
	for n := t.ns; n != nil; n = n.parent {
		if id := t.tids[n.level]; n.tasks[id] == t {
			delete(n.tasks, id)
		}
	}
}

// idIn returns which of ids is the number in ns, 0 if it has none there.
func idIn(ids []int32, own, ns *PIDNamespace) int32 {
	if ns.level >= len(ids) {
		return 0
	}
	for n := own; n != nil; n = n.parent {
		if n == ns {
			return ids[ns.level]
		}
	}
	return 0
}

// tidIn returns t's number in ns, 0 if it has none there.
func (t *Task) tidIn(ns *PIDNamespace) int32 { return idIn(t.tids, t.ns, ns) }

// TID returns the thread's number in its own namespace.
func (t *Task) TID() int32 { return t.tids[t.ns.level] }

// TIDIn returns the thread's number in ns, 0 if it is not visible there.
func (t *Task) TIDIn(ns *PIDNamespace) int32 {
	t.k.tasks.Lock()
	defer t.k.tasks.Unlock()
	return t.tidIn(ns)
}

// idIn returns the process's number in ns.
func (tg *ThreadGroup) idIn(ns *PIDNamespace) int32 { return tg.leader.tidIn(ns) }

// PIDNS returns the pid namespace that the process is in.
func (tg *ThreadGroup) PIDNS() *PIDNamespace { return tg.ns }

// ID returns the process's number in its own namespace.
func (tg *ThreadGroup) ID() int32 { return tg.IDIn(tg.ns) }

// IDIn returns the process's number in ns, 0 if it is not visible there.
func (tg *ThreadGroup) IDIn(ns *PIDNamespace) int32 {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	return tg.idIn(ns)
}

// ParentIDIn returns the parent's number in ns, 0 if it has none there.
func (tg *ThreadGroup) ParentIDIn(ns *PIDNamespace) int32 {
	tg.k.tasks.Lock()
	defer tg.k.tasks.Unlock()
	if tg.parent == nil {
		return 0
	}
	return tg.parent.idIn(ns)
}

// Task returns the thread numbered tid in ns, or nil.
func (ns *PIDNamespace) Task(tid int32) *Task {
	ns.k.tasks.Lock()
	defer ns.k.tasks.Unlock()
	return ns.tasks[tid]
}

// Group returns the process numbered tgid in ns, or nil.
func (ns *PIDNamespace) Group(tgid int32) *ThreadGroup {
	ns.k.tasks.Lock()
	defer ns.k.tasks.Unlock()
	return ns.group(tgid)
}

func (ns *PIDNamespace) group(tgid int32) *ThreadGroup {
	if t := ns.tasks[tgid]; t != nil && t.group.leader == t {
		return t.group
	}
	return nil
}

// ProcessGroup returns the process group numbered pgid in ns, or nil.
func (ns *PIDNamespace) ProcessGroup(pgid int32) *ProcessGroup {
	ns.k.tasks.Lock()
	defer ns.k.tasks.Unlock()
	return ns.pgrps[pgid]
}

// Groups returns the processes of ns, in no order.
func (ns *PIDNamespace) Groups() []*ThreadGroup {
	ns.k.tasks.Lock()
	defer ns.k.tasks.Unlock()
	var gs []*ThreadGroup
	for _, t := range ns.tasks {
		if t.group.leader == t {
			gs = append(gs, t.group)
		}
	}
	return gs
}

// newProcessGroup makes tg the leader of a new group in s and moves it there.
func (tg *ThreadGroup) newProcessGroup(s *Session) {
	pg := &ProcessGroup{ids: tg.leader.tids, ns: tg.ns, session: s, members: map[*ThreadGroup]struct{}{}}
	for n := pg.ns; n != nil; n = n.parent {
		n.pgrps[pg.ids[n.level]] = pg
	}
	s.groups++
	tg.join(pg)
}

// newSession makes tg the leader of a new session and group.
func (tg *ThreadGroup) newSession() {
	s := &Session{ids: tg.leader.tids, ns: tg.ns, leader: tg}
	for n := s.ns; n != nil; n = n.parent {
		n.sessions[s.ids[n.level]] = s
	}
	tg.newProcessGroup(s)
}

// join moves tg into pg, or out of any with nil.
func (tg *ThreadGroup) join(pg *ProcessGroup) {
	old := tg.pgrp
	tg.pgrp = pg
	if pg != nil {
		pg.members[tg] = struct{}{}
	}
	if old == nil || old == pg {
		return
	}
	delete(old.members, tg)
	if len(old.members) > 0 {
		return
	}
	for n := old.ns; n != nil; n = n.parent {
		delete(n.pgrps, old.ids[n.level])
	}
	s := old.session
	s.groups--
	if s.groups == 0 {
		for n := s.ns; n != nil; n = n.parent {
			delete(n.sessions, s.ids[n.level])
		}
	}
}

// idIn returns the group's number in ns.
func (pg *ProcessGroup) idIn(ns *PIDNamespace) int32 { return idIn(pg.ids, pg.ns, ns) }

// IDIn returns the session's number in ns.
func (s *Session) idIn(ns *PIDNamespace) int32 { return idIn(s.ids, s.ns, ns) }

// SetSID is setsid(2).
func (t *Task) SetSID() (int32, error) {
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	tg := t.group
	id := tg.idIn(t.ns)
	if t.ns.pgrps[id] != nil || tg.pgrp.session.leader == tg {
		t.Note("the caller leads a process group already")
		return 0, unix.EPERM
	}
	tg.newSession()
	return id, nil
}

// SetPGID is setpgid(2).
func (t *Task) SetPGID(pid, pgid int32) error {
	if pgid < 0 {
		return unix.EINVAL
	}
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	tg := t.group
	if pid != 0 {
		if tg = t.ns.group(pid); tg == nil {
			return unix.ESRCH
		}
	}
	if pgid == 0 {
		pgid = tg.idIn(t.ns)
	}
	session := t.group.pgrp.session
	switch {
	case tg.parent == t.group && tg != t.group:
		if tg.pgrp.session != session {
			return unix.EPERM
		}
		if tg.didExec {
			return unix.EACCES
		}
	case tg != t.group:
		return unix.ESRCH
	}
	if tg.pgrp.session.leader == tg {
		return unix.EPERM
	}
	if pgid == tg.idIn(t.ns) {
		if tg.pgrp.idIn(t.ns) != pgid {
			tg.newProcessGroup(session)
		}
		return nil
	}
	pg := t.ns.pgrps[pgid]
	if pg == nil || pg.session != session {
		return unix.EPERM
	}
	tg.join(pg)
	return nil
}

// PGID is getpgid(2), and getsid(2) with session.
func (t *Task) PGID(pid int32, session bool) (int32, error) {
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	tg := t.group
	if pid != 0 {
		o := t.ns.tasks[pid]
		if o == nil || o.group.pgrp == nil {
			return 0, unix.ESRCH
		}
		tg = o.group
	}
	if session {
		return tg.pgrp.session.idIn(t.ns), nil
	}
	return tg.pgrp.idIn(t.ns), nil
}

// groupList is a list of children, linked through ThreadGroup.sibling.
type groupList struct{ head *ThreadGroup }

type groupLink struct{ next, prev *ThreadGroup }

func (l *groupList) push(g *ThreadGroup) {
	g.sibling = groupLink{next: l.head}
	if l.head != nil {
		l.head.sibling.prev = g
	}
	l.head = g
}

func (l *groupList) remove(g *ThreadGroup) {
	if g.sibling.prev != nil {
		g.sibling.prev.sibling.next = g.sibling.next
	} else {
		l.head = g.sibling.next
	}
	if g.sibling.next != nil {
		g.sibling.next.sibling.prev = g.sibling.prev
	}
	g.sibling = groupLink{}
}
