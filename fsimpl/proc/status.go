package proc

import (
	"bytes"
	"fmt"
	"strings"

	"hull/sentry/current"
	"hull/sentry/kernel"
	"hull/sentry/limits"
)

// stateNames are the states of a task in words.
func stateName(s byte) string {
	switch s {
	case 'R':
		return "R (running)"
	case 'S':
		return "S (sleeping)"
	case 'D':
		return "D (disk sleep)"
	case 'T':
		return "T (stopped)"
	case 'Z':
		return "Z (zombie)"
	}
	return "X (dead)"
}

type pidStat struct{ p pid }

// Content implements pseudo.Content: the 52 fields of proc_pid_stat(5).
func (s pidStat) Content(t current.Task, w *bytes.Buffer) error {
	x, ns := s.p.t, s.p.fs.ns
	v := x.View(ns)
	user, sys, cuser, csys := v.User, v.Sys, v.ChildUser, v.ChildSys
	if s.p.thread {
		user, sys = v.ThreadUser, v.ThreadSys
	}
	var vsize, rss, rsslim uint64
	var u struct{ codeStart, codeEnd, stack, dataStart, dataEnd, brk, argS, argE, envS, envE uint64 }
	rsslim = ^uint64(0)
	if m := x.PeekMM(); m != nil {
		us := m.Usage()
		vsize, rss = us.Size, us.RSS
		if i := m.Info(); s.p.may(t) == nil {
			u.codeStart, u.codeEnd, u.stack = uint64(i.CodeStart), uint64(i.CodeEnd), uint64(i.StackStart)
			u.dataStart, u.dataEnd, u.brk = uint64(i.DataStart), uint64(i.DataEnd), uint64(i.BrkStart)
			u.argS, u.argE, u.envS, u.envE = uint64(i.ArgStart), uint64(i.ArgEnd), uint64(i.EnvStart), uint64(i.EnvEnd)
		}
		m.DecUsers()
	}
	sch := x.Sched()
	prio := 20 + sch.Nice
	if sch.Priority > 0 {
		prio = -1 - sch.Priority
	}
	sg := x.SignalView()
	fmt.Fprintf(w, "%d (%s) %c %d %d %d %d %d %d %d 0 %d 0 %d %d %d %d %d %d %d 0 %d %d %d %d",
		v.TID, x.Comm(), v.State, v.PPID, v.PGID, v.SID, v.TTY, v.TTYPGrp, 0x400000, v.MinFlt, v.ChildMinFlt,
		ticks(user), ticks(sys), ticks(cuser), ticks(csys), prio, sch.Nice, v.Threads,
		ticks(v.Started), vsize, rss/4096, rsslim)
	fmt.Fprintf(w, " %d %d %d 0 0 %d %d %d %d 0 0 0 %d %d %d %d 0 0 0 %d %d %d %d %d %d %d %d\n",
		u.codeStart, u.codeEnd, u.stack,
		uint64(sg.Pending)&0x7fffffff, uint64(sg.Blocked)&0x7fffffff, uint64(sg.Ignored)&0x7fffffff, uint64(sg.Caught)&0x7fffffff,
		v.ExitSignal, 0, sch.Priority, sch.Policy,
		u.dataStart, u.dataEnd, u.brk, u.argS, u.argE, u.envS, u.envE, v.ExitCode)
	return nil
}

type statm struct{ p pid }

// Content implements pseudo.Content.
func (s statm) Content(_ current.Task, w *bytes.Buffer) error {
	m := s.p.t.PeekMM()
	if m == nil {
		w.WriteString("0 0 0 0 0 0 0\n")
		return nil
	}
	defer m.DecUsers()
	u := m.Usage()
	fmt.Fprintf(w, "%d %d %d %d 0 %d 0\n", u.Size/4096, u.RSS/4096, (u.RSSFile+u.RSSShmem)/4096, u.Text/4096, (u.Data+u.Stack)/4096)
	return nil
}

type status struct{ p pid }

// Content implements pseudo.Content.
func (s status) Content(_ current.Task, w *bytes.Buffer) error {
	x := s.p.t
	v := x.View(s.p.fs.ns)
	c := x.CredOf()
	fmt.Fprintf(w, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
		x.Comm(), v.Umask, stateName(v.State), v.TGID, v.TID, v.PPID)
	fmt.Fprintf(w, "Uid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\nFDSize:\t%d\nGroups:\t",
		c.RUID, c.EUID, c.SUID, c.FSUID, c.RGID, c.EGID, c.SGID, c.FSGID, v.FDSize)
	for _, g := range c.Groups {
		fmt.Fprintf(w, "%d ", g)
	}
	fmt.Fprintf(w, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\nKthread:\t0\n", v.TGID, v.TID, v.PGID, v.SID)
	if m := x.PeekMM(); m != nil {
		u := m.Usage()
		kb := func(name string, n uint64) { fmt.Fprintf(w, "%s:\t%8d kB\n", name, n/1024) }
		kb("VmPeak", u.PeakSize)
		kb("VmSize", u.Size)
		kb("VmLck", u.Locked)
		kb("VmPin", 0)
		kb("VmHWM", u.PeakRSS)
		kb("VmRSS", u.RSS)
		kb("RssAnon", u.RSSAnon)
		kb("RssFile", u.RSSFile)
		kb("RssShmem", u.RSSShmem)
		kb("VmData", u.Data)
		kb("VmStk", u.Stack)
		kb("VmExe", u.Text)
		kb("VmLib", u.Lib)
		kb("VmPTE", 0)
		kb("VmSwap", 0)
		m.DecUsers()
		w.WriteString("HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n")
	}
	g := x.SignalView()
	fmt.Fprintf(w, "Threads:\t%d\nSigQ:\t%d/%d\nSigPnd:\t%016x\nShdPnd:\t%016x\nSigBlk:\t%016x\nSigIgn:\t%016x\nSigCgt:\t%016x\n",
		v.Threads, g.Queued, g.QueueLimit, uint64(g.Pending), uint64(g.Shared), uint64(g.Blocked), uint64(g.Ignored), uint64(g.Caught))
	mode, filters := x.SeccompMode()
	nnp := 0
	if c.NoNewPrivs {
		nnp = 1
	}
	fmt.Fprintf(w, "CapInh:\t%016x\nCapPrm:\t%016x\nCapEff:\t%016x\nCapBnd:\t%016x\nCapAmb:\t%016x\nNoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%d\n",
		uint64(c.Inheritable), uint64(c.Permitted), uint64(c.Effective), uint64(c.Bounding), uint64(c.Ambient), nnp, mode, filters)
	mask, list := cpuMask(x)
	fmt.Fprintf(w, "Speculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\tunknown\nCpus_allowed:\t%s\nCpus_allowed_list:\t%s\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t0\n",
		mask, list, v.Switches)
	return nil
}

// cpuMask is the affinity of t as a bitmap and as a list.
func cpuMask(t *kernel.Task) (mask, list string) {
	n := t.Kernel().CPUs()
	aff := t.Sched().Affinity
	set := func(i int) bool { return aff == nil || aff[i/64]&(1<<(i%64)) != 0 }
	words := make([]uint32, (n+31)/32)
	var ranges []string
	for i := 0; i < n; i++ {
		if !set(i) {
			continue
		}
		j := i
		for j+1 < n && set(j+1) {
			j++
		}
		for c := i; c <= j; c++ {
			words[c/32] |= 1 << (c % 32)
		}
		if i == j {
			ranges = append(ranges, fmt.Sprint(i))
		} else {
			ranges = append(ranges, fmt.Sprintf("%d-%d", i, j))
		}
		i = j
	}
	for i := len(words) - 1; i >= 0; i-- {
		if i == len(words)-1 {
			mask = fmt.Sprintf("%x", words[i])
		} else {
			mask += fmt.Sprintf(",%08x", words[i])
		}
	}
	return mask, strings.Join(ranges, ",")
}

type limitsFile struct{ p pid }

// Content implements pseudo.Content.
func (l limitsFile) Content(_ current.Task, w *bytes.Buffer) error {
	rows := [limits.Count]struct{ name, unit string }{
		{"Max cpu time", "seconds"}, {"Max file size", "bytes"}, {"Max data size", "bytes"}, {"Max stack size", "bytes"},
		{"Max core file size", "bytes"}, {"Max resident set", "bytes"}, {"Max processes", "processes"}, {"Max open files", "files"},
		{"Max locked memory", "bytes"}, {"Max address space", "bytes"}, {"Max file locks", "locks"}, {"Max pending signals", "signals"},
		{"Max msgqueue size", "bytes"}, {"Max nice priority", ""}, {"Max realtime priority", ""}, {"Max realtime timeout", "us"},
	}
	value := func(v uint64) string {
		if v == limits.Infinity {
			return "unlimited"
		}
		return fmt.Sprint(v)
	}
	fmt.Fprintf(w, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units")
	set := l.p.t.ThreadGroup().Limits()
	for i, r := range rows {
		v := set.Get(i)
		fmt.Fprintf(w, "%-25s %-20s %-20s ", r.name, value(v.Cur), value(v.Max))
		if r.unit != "" {
			fmt.Fprintf(w, "%-10s", r.unit)
		}
		w.WriteByte('\n')
	}
	return nil
}
