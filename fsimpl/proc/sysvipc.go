package proc

import (
	"bytes"
	"fmt"

	"hull/fsimpl/internal/pseudo"
	"hull/sentry/current"
	"hull/sentry/ipc"
	"hull/sentry/kernel"
)

// sysvipc is /proc/sysvipc: a line an object of the reader's IPC namespace, proc(5).
func (fs *FS) sysvipc() pseudo.Entry {
	file := func(name string, show func(*kernel.IPCNamespace, current.Task, *bytes.Buffer)) pseudo.Entry {
		return pseudo.Entry{Name: name, Inode: fs.ps.Text(0444, systemV{fs, show}, nil)}
	}
	return pseudo.Entry{Name: "sysvipc", Inode: fs.ps.Dir(0555, file("msg", showQueues), file("sem", showSets), file("shm", showSegments))}
}

type systemV struct {
	fs   *FS
	show func(*kernel.IPCNamespace, current.Task, *bytes.Buffer)
}

// Content implements pseudo.Content.
func (f systemV) Content(t current.Task, w *bytes.Buffer) error {
	f.show(f.fs.ipcOf(t), t, w)
	return nil
}

func head(w *bytes.Buffer, p *ipc.Perm, id int32, mode uint32) {
	fmt.Fprintf(w, "%10d %10d  %4o ", p.Key, id, mode)
}

func owners(w *bytes.Buffer, p *ipc.Perm) {
	fmt.Fprintf(w, "%5d %5d %5d %5d ", p.UID, p.GID, p.CUID, p.CGID)
}

func showQueues(ns *kernel.IPCNamespace, t current.Task, w *bytes.Buffer) {
	w.WriteString("       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n")
	for _, q := range ns.Messages.All() {
		head(w, &q.Perm, q.ID, q.Perm.Mode)
		fmt.Fprintf(w, " %10d %10d %5d %5d ", q.Bytes, q.Messages, current.PIDSeenBy(t, q.Sender), current.PIDSeenBy(t, q.Receiver))
		owners(w, &q.Perm)
		fmt.Fprintf(w, "%10d %10d %10d\n", q.Sent, q.Received, q.Changed)
	}
}

func showSets(ns *kernel.IPCNamespace, _ current.Task, w *bytes.Buffer) {
	w.WriteString("       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n")
	for _, s := range ns.Semaphores.All() {
		head(w, &s.Perm, s.ID, s.Perm.Mode)
		fmt.Fprintf(w, "%10d ", s.Semaphores)
		owners(w, &s.Perm)
		fmt.Fprintf(w, "%10d %10d\n", s.Operated, s.Changed)
	}
}

func showSegments(ns *kernel.IPCNamespace, t current.Task, w *bytes.Buffer) {
	w.WriteString("       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n")
	for _, s := range ns.Shared.All() {
		head(w, &s.Perm, s.ID, s.Mode())
		fmt.Fprintf(w, "%21d %5d %5d  %5d ", s.Size, current.PIDSeenBy(t, s.Creator), current.PIDSeenBy(t, s.Last), s.Attaches)
		owners(w, &s.Perm)
		fmt.Fprintf(w, "%10d %10d %10d %21d %21d\n", s.Attached, s.Detached, s.Changed, s.Resident, 0)
	}
}
