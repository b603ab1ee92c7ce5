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
)

// tunables are numbers on one line that root may write.
type tunables []*ipc.Tunable

// Content implements pseudo.Content.
func (ns tunables) Content(_ current.Task, w *bytes.Buffer) error {
	for i, n := range ns {
		if i > 0 {
			w.WriteByte('\t')
		}
		fmt.Fprint(w, n.Get())
	}
	w.WriteByte('\n')
	return nil
}

// Set implements pseudo.Setter. Fewer numbers than there are leave the rest as
// it is; none at all, or what is no number, is EINVAL.
func (ns tunables) Set(_ current.Task, data []byte) error {
	fields := strings.Fields(string(data))
	if len(fields) == 0 {
		return unix.EINVAL
	}
	for i, f := range fields[:min(len(fields), len(ns))] {
		v, err := strconv.ParseInt(f, 0, 64)
		if err != nil {
			return unix.EINVAL
		}
		if err := ns[i].Set(v); err != nil {
			return err
		}
	}
	return nil
}

// tunable is a file with one such number.
func (fs *FS) tunable(name string, ns ...*ipc.Tunable) pseudo.Entry {
	return pseudo.Entry{Name: name, Inode: fs.ps.Text(0644, tunables(ns), nil)}
}

// mqueueLimits is /proc/sys/fs/mqueue.
func (fs *FS) mqueueLimits() pseudo.Entry {
	l := fs.k.IPC().QueueLimits
	if l == nil {
		return pseudo.Entry{Name: "mqueue", Inode: fs.ps.Dir(0555)}
	}
	return pseudo.Entry{Name: "mqueue", Inode: fs.ps.Dir(0555,
		fs.tunable("queues_max", &l.Queues), fs.tunable("msg_max", &l.Messages), fs.tunable("msgsize_max", &l.MessageSize),
		fs.tunable("msg_default", &l.DefMessages), fs.tunable("msgsize_default", &l.DefMessageSize))}
}
