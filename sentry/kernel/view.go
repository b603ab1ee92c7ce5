package kernel

import (
	"time"
)

// View is what /proc/PID/stat and status show of a task at one moment.
type View struct {
	TID, TGID, PPID, PGID, SID int32
	State                      byte
	TTY, TTYPGrp               int32
	Threads                    int
	ExitSignal, ExitCode       int32
	Umask                      uint32
	FDSize                     int
	MinFlt, ChildMinFlt        int64
	Switches                   int64
	Started                    time.Duration // since the kernel's start
	User, Sys                  time.Duration // of the process
	ThreadUser, ThreadSys      time.Duration
	ChildUser, ChildSys        time.Duration
}

// View looks at t as seen from ns.
func (t *Task) View(ns *PIDNamespace) View {
	v := View{State: byte(t.state.Load()), Started: t.started, MinFlt: t.cpu.minflt.Load(), Switches: t.cpu.vcsw.Load()}
	if fs, _ := t.PeekFS(); fs != nil {
		v.Umask = fs.Umask()
		fs.DecRef()
	}
	if ft := t.PeekFiles(); ft != nil {
		v.FDSize = 64
		if fds := ft.FDs(); len(fds) > 0 {
			for int(fds[len(fds)-1]) >= v.FDSize {
				v.FDSize *= 2
			}
		}
		ft.DecRef(nil)
	}
	v.ThreadUser, v.ThreadSys = t.times()
	k := t.k
	k.tasks.Lock()
	defer k.tasks.Unlock()
	tg := t.group
	v.TID, v.TGID = t.tidIn(ns), tg.idIn(ns)
	if tg.parent != nil {
		v.PPID = tg.parent.idIn(ns)
	}
	v.TTYPGrp = -1
	if pg := tg.pgrp; pg != nil {
		v.PGID, v.SID = pg.idIn(ns), pg.session.idIn(ns)
		if tty := pg.session.tty; tty != nil {
			if n, ok := tty.(interface{ Number() int32 }); ok {
				v.TTY = n.Number()
			}
			if f := tty.Control().foreground; f != nil {
				v.TTYPGrp = f.idIn(ns)
			}
		}
	}
	v.Threads = len(tg.tasks)
	v.ExitSignal, v.ExitCode = tg.exitSignal, tg.status
	v.User, v.Sys = tg.times()
	v.ChildUser, v.ChildSys, v.ChildMinFlt = tg.usage.cutime, tg.usage.cstime, tg.usage.cminflt
	return v
}

// RunningTasks returns how many tasks run now, and how many there are.
func (k *Kernel) RunningTasks() (running, total int) {
	k.tasks.Lock()
	defer k.tasks.Unlock()
	for _, t := range k.tasks.root.tasks {
		if t.state.Load() == stateRunning {
			running++
		}
	}
	return running, k.tasks.count
}

// firstNS is the inode number of the initial namespace of the first kind
// (PROC_*_INIT_INO of include/linux/proc_ns.h).
const firstNS = 0xefffffff

// NamespaceIDs returns a number for each of the task's namespaces, by its name
// in /proc/PID/ns: equal for equal namespaces.
func (t *Task) NamespaceIDs() map[string]uint32 {
	m := map[string]uint32{"user": firstNS - 2, "cgroup": firstNS - 4, "time": firstNS - 5, "time_for_children": firstNS - 5}
	t.has.Lock()
	uts, ipc, mnt, forCh := t.has.uts, t.has.ipc, t.has.mnt, t.has.pidsOfCh
	if t.has.cgroups != nil {
		m["cgroup"] = t.has.cgroups.id
	}
	if t.has.net != nil {
		m["net"] = t.has.net.ID
	}
	t.has.Unlock()
	if forCh == nil {
		forCh = t.ns
	}
	m["uts"] = uts.id
	if ipc != nil {
		m["ipc"] = ipc.id
	}
	m["pid"], m["pid_for_children"] = t.ns.id, forCh.id
	if mnt != nil {
		m["mnt"] = mnt.ID()
	}
	return m
}
