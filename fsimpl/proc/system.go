package proc

import (
	"bytes"
	"fmt"
	"time"

	"hull/sentry/current"
	"hull/sentry/kernel"
)

const (
	devices = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"

	filesystems = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\tmqueue\nnodev\toverlay\n"

	ttyDrivers = "/dev/tty             /dev/tty        5       0 system:/dev/tty\n" +
		"/dev/ptmx            /dev/ptmx       5       2 system\n" +
		"pty_slave            /dev/pts      136 0-1048575 pty:slave\n" +
		"pty_master           /dev/ptm      128 0-1048575 pty:master\n"
)

// ticks is a duration in units of 1/100 s (USER_HZ).
func ticks(d time.Duration) int64 { return int64(d / (10 * time.Millisecond)) }

type uptime struct{ fs *FS }

// Content implements pseudo.Content.
func (u uptime) Content(_ current.Task, w *bytes.Buffer) error {
	up := u.fs.k.Uptime()
	idle := up*time.Duration(u.fs.k.CPUs()) - u.fs.busy()
	fmt.Fprintf(w, "%.2f %.2f\n", up.Seconds(), max(idle, 0).Seconds())
	return nil
}

// busy is the processor time that the sandbox's living processes used.
func (fs *FS) busy() time.Duration {
	var d time.Duration
	for _, g := range fs.k.RootPIDNS().Groups() {
		u, s, cu, cs := g.Times()
		d += u + s + cu + cs
	}
	return d
}

type version struct{ fs *FS }

// Content implements pseudo.Content.
func (version) Content(_ current.Task, w *bytes.Buffer) error {
	fmt.Fprintf(w, "%s version %s (hull) %s\n", kernel.SysName, kernel.Release, kernel.Version)
	return nil
}

type loadavg struct{ fs *FS }

// Content implements pseudo.Content. hull keeps no average over minutes: the
// three numbers are the tasks that run now.
func (l loadavg) Content(_ current.Task, w *bytes.Buffer) error {
	running, total := l.fs.k.RunningTasks()
	_, ever := l.fs.k.Counts()
	load := float64(running)
	fmt.Fprintf(w, "%.2f %.2f %.2f %d/%d %d\n", load, load, load, running, total, ever)
	return nil
}

type meminfo struct{ fs *FS }

// Content implements pseudo.Content.
func (m meminfo) Content(_ current.Task, w *bytes.Buffer) error {
	total, free := m.fs.k.MemoryTotals()
	line := func(name string, bytes uint64) { fmt.Fprintf(w, "%-16s%8d kB\n", name+":", bytes/1024) }
	line("MemTotal", total)
	line("MemFree", free)
	line("MemAvailable", free)
	for _, n := range []string{"Buffers", "Cached", "SwapCached"} {
		line(n, 0)
	}
	line("Active", total-free)
	line("Inactive", 0)
	line("Active(anon)", total-free)
	for _, n := range []string{"Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "Mlocked", "SwapTotal", "SwapFree", "Dirty", "Writeback"} {
		line(n, 0)
	}
	line("AnonPages", total-free)
	for _, n := range []string{"Mapped", "Shmem", "KReclaimable", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables", "NFS_Unstable", "Bounce", "WritebackTmp"} {
		line(n, 0)
	}
	line("CommitLimit", total)
	line("Committed_AS", total-free)
	line("VmallocTotal", 34359738367*1024)
	line("VmallocUsed", 0)
	line("VmallocChunk", 0)
	fmt.Fprintf(w, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\nHugepagesize:       2048 kB\n")
	return nil
}

type stat struct{ fs *FS }

// Content implements pseudo.Content.
func (s stat) Content(_ current.Task, w *bytes.Buffer) error {
	k := s.fs.k
	var user, sys time.Duration
	for _, g := range k.RootPIDNS().Groups() {
		u, sy, cu, cs := g.Times()
		user, sys = user+u+cu, sys+sy+cs
	}
	n := time.Duration(k.CPUs())
	idle := max(k.Uptime()*n-user-sys, 0)
	fmt.Fprintf(w, "cpu  %d 0 %d %d 0 0 0 0 0 0\n", ticks(user), ticks(sys), ticks(idle))
	for i := range k.CPUs() {
		fmt.Fprintf(w, "cpu%d %d 0 %d %d 0 0 0 0 0 0\n", i, ticks(user/n), ticks(sys/n), ticks(idle/n))
	}
	running, _ := k.RunningTasks()
	_, ever := k.Counts()
	fmt.Fprintf(w, "intr 0\nctxt 0\nbtime %d\nprocesses %d\nprocs_running %d\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
		k.Booted().Unix(), ever, running)
	return nil
}

type interrupts struct{ fs *FS }

// Content implements pseudo.Content: no device interrupts a guest's processor.
func (i interrupts) Content(_ current.Task, w *bytes.Buffer) error {
	w.WriteString("    ")
	for c := range i.fs.k.CPUs() {
		fmt.Fprintf(w, "       CPU%-3d", c)
	}
	w.WriteString("\n")
	return nil
}

type vmstat struct{ fs *FS }

// Content implements pseudo.Content.
func (v vmstat) Content(_ current.Task, w *bytes.Buffer) error {
	total, free := v.fs.k.MemoryTotals()
	fmt.Fprintf(w, "nr_free_pages %d\nnr_anon_pages %d\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n",
		free/4096, (total-free)/4096)
	return nil
}
