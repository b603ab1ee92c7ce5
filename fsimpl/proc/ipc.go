package proc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/kernel"
)

// tunables are numbers of the reader's IPC namespace, on one line, that root may
// write.
type tunables struct {
	fs  *FS
	get func(*kernel.IPCNamespace) []*ipc.Tunable
}

// ipcOf returns the IPC namespace that t sees.
func (fs *FS) ipcOf(t current.Task) *kernel.IPCNamespace {
	if kt := task(t); kt != nil {
		return kt.IPC()
	}
	return fs.ipc
}

func (n tunables) of(t current.Task) []*ipc.Tunable { return n.get(n.fs.ipcOf(t)) }

// Content implements pseudo.Content.
func (n tunables) Content(t current.Task, w *bytes.Buffer) error {
	for i, v := range n.of(t) {
		if i > 0 {
			w.WriteByte('\t')
		}
		fmt.Fprint(w, v.Get())
	}
	w.WriteByte('\n')
	return nil
}

// Set implements pseudo.Setter. Fewer numbers than there are leave the rest as
// it is; none at all, or what is no number, is EINVAL.
func (n tunables) Set(t current.Task, data []byte) error {
	fields, all := strings.Fields(string(data)), n.of(t)
	if len(fields) == 0 {
		return unix.EINVAL
	}
	for i, f := range fields[:min(len(fields), len(all))] {
		v, err := strconv.ParseInt(f, 0, 64)
		if err != nil {
			return unix.EINVAL
		}
		if err := all[i].Set(v); err != nil {
			return err
		}
	}
	return nil
}

// tunable is a file with one such number.
func (fs *FS) tunable(name string, get func(*ipc.QueueLimits) *ipc.Tunable) pseudo.Entry {
	all := func(ns *kernel.IPCNamespace) []*ipc.Tunable {
		if ns.QueueLimits == nil { // in a kernel without queues
			return nil
		}
		return []*ipc.Tunable{get(ns.QueueLimits)}
	}
	return pseudo.Entry{Name: name, Inode: fs.ps.Text(0644, tunables{fs, all}, nil)}
}

// systemV are the limits of System V queues and semaphores, in /proc/sys/kernel.
func (fs *FS) systemV() []pseudo.Entry {
	file := func(name string, get func(*ipc.SystemV) []*ipc.Tunable) pseudo.Entry {
		all := func(ns *kernel.IPCNamespace) []*ipc.Tunable { return get(ns.SystemV) }
		return pseudo.Entry{Name: name, Inode: fs.ps.Text(0644, tunables{fs, all}, nil)}
	}
	type limits = *ipc.SystemV
	return []pseudo.Entry{
		file("msgmax", func(l limits) []*ipc.Tunable { return []*ipc.Tunable{&l.MessageSize} }),
		file("msgmnb", func(l limits) []*ipc.Tunable { return []*ipc.Tunable{&l.QueueSize} }),
		file("msgmni", func(l limits) []*ipc.Tunable { return []*ipc.Tunable{&l.Queues} }),
		file("sem", func(l limits) []*ipc.Tunable {
			return []*ipc.Tunable{&l.SetSize, &l.Semaphores, &l.Operations, &l.Sets}
		}),
		file("shmmax", func(l limits) []*ipc.Tunable { return []*ipc.Tunable{&l.SegmentSize} }),
		file("shmall", func(l limits) []*ipc.Tunable { return []*ipc.Tunable{&l.SegmentPages} }),
		file("shmmni", func(l limits) []*ipc.Tunable { return []*ipc.Tunable{&l.Segments} }),
	}
}

// mqueueLimits is /proc/sys/fs/mqueue.
func (fs *FS) mqueueLimits() pseudo.Entry {
	if fs.ipc.QueueLimits == nil {
		return pseudo.Entry{Name: "mqueue", Inode: fs.ps.Dir(0555)}
	}
	type limits = *ipc.QueueLimits
	return pseudo.Entry{Name: "mqueue", Inode: fs.ps.Dir(0555,
		fs.tunable("queues_max", func(l limits) *ipc.Tunable { return &l.Queues }),
		fs.tunable("msg_max", func(l limits) *ipc.Tunable { return &l.Messages }),
		fs.tunable("msgsize_max", func(l limits) *ipc.Tunable { return &l.MessageSize }),
		fs.tunable("msg_default", func(l limits) *ipc.Tunable { return &l.DefMessages }),
		fs.tunable("msgsize_default", func(l limits) *ipc.Tunable { return &l.DefMessageSize }))}
}
