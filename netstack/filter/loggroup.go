package filter

import (
	"bytes"
	"encoding/binary"
	"maps"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
)

// Logged is a packet that a rule sends to a group of nfnetlink_log. It is valid
// during the call that tells of it.
type Logged struct {
	Hook    Hook
	Family  Family // of the table
	Prefix  string
	Packet  *buffer.Packet // begins with the network's header
	Context *Context
	Max     int // bytes of the packet that the rule asks for; 0: all
}

// groupListener is who listens to a group.
type groupListener struct {
	owner any
	tell  func(*Logged) `snapshot:"-"`
}

// ListenGroup has tell called for each packet that a rule sends to a group, on
// behalf of owner: EBUSY if somebody does already. tell must not block.
func (r *Rules) ListenGroup(group uint16, owner any, tell func(*Logged)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(r.groupMap())
	if next[group] != nil {
		return unix.EBUSY
	}
	if next == nil {
		next = map[uint16]*groupListener{}
	}
	next[group] = &groupListener{owner, tell}
	r.groups.Store(&next)
	return nil
}

// GroupOwner returns on whose behalf a group is listened to, nil for nobody.
func (r *Rules) GroupOwner(group uint16) any {
	if l := r.groupMap()[group]; l != nil {
		return l.owner
	}
	return nil
}

// LeaveGroups ends what ListenGroup began of those owners that gone says of.
func (r *Rules) LeaveGroups(gone func(owner any) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(r.groupMap())
	maps.DeleteFunc(next, func(_ uint16, l *groupListener) bool { return gone(l.owner) })
	r.groups.Store(&next)
}

func (r *Rules) groupMap() map[uint16]*groupListener {
	if m := r.groups.Load(); m != nil {
		return *m
	}
	return nil
}

// logTo sends the packet to a group.
func (x *run) logTo(group uint16, prefix string, most int) {
	if l := x.rules.groupMap()[group]; l != nil {
		l.tell(&Logged{Hook: x.h, Family: x.table.Family, Prefix: prefix, Packet: x.p, Context: x.c, Max: most})
	}
}

// nflog is the target NFLOG: struct xt_nflog_info.
func (e *Target) nflog(x *run) {
	ne, b := binary.NativeEndian, e.Info
	prefix := b[12:76]
	if i := bytes.IndexByte(prefix, 0); i >= 0 {
		prefix = prefix[:i]
	}
	const copyLen = 1 // XT_NFLOG_F_COPY_LEN
	most := 0
	if ne.Uint16(b[8:])&copyLen != 0 {
		most = int(ne.Uint32(b))
	}
	x.logTo(ne.Uint16(b[4:]), string(prefix), most)
}
