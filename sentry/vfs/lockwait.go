package vfs

import (
	"slices"

	"hull/sentry/lock"
)

// lockWaits are the processes that wait for an fcntl(2) lock, of a whole
// kernel: who would wait for himself is told EDEADLK. Locks of descriptions and
// of flock(2) are not looked at, as on Linux.
type lockWaits struct {
	mu   lock.Mutex[lock.FDTable] // outside that of a Locks
	list []*lockWait              // guarded by mu
}

// lockWait is a wait for want in l.
type lockWait struct {
	l    *Locks
	want partLock
}

// maxLockChain is how many waits after each other are followed.
const maxLockChain = 10

// add notes w. It reports false, and does not, if that closes a circle.
func (ws *lockWaits) add(w *lockWait) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	at := w
	for range maxLockChain {
		holder := at.l.holder(&at.want)
		if holder == w.want.owner {
			return false
		}
		i := slices.IndexFunc(ws.list, func(x *lockWait) bool { return x.want.owner == holder })
		if holder == nil || i < 0 {
			break
		}
		at = ws.list[i]
	}
	ws.list = append(ws.list, w)
	return true
}

// remove forgets w.
func (ws *lockWaits) remove(w *lockWait) {
	ws.mu.Lock()
	ws.list = slices.DeleteFunc(ws.list, func(x *lockWait) bool { return x == w })
	ws.mu.Unlock()
}

// holder returns the owner of a lock that is in the way of w, or nil.
func (l *Locks) holder(w *partLock) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conflict(w); c != nil {
		return c.owner
	}
	return nil
}
