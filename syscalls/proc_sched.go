package syscalls

import (
	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/kernel"
	"hull/sentry/usermem"
)

// The host schedules guest tasks alike whatever these calls set; what was set
// is told again, and the rules of who may set what hold.

// schedTarget returns the task that pid names, 0 being the caller.
func schedTarget(t *kernel.Task, pid int32) (*kernel.Task, error) {
	if pid < 0 {
		return nil, unix.EINVAL
	}
	if pid == 0 {
		return t, nil
	}
	if o := t.PIDNS().Task(pid); o != nil {
		return o, nil
	}
	return nil, unix.ESRCH
}

// affinityTarget is schedTarget for the calls about affinity, to whom a negative
// number is one that nobody has: ESRCH.
func affinityTarget(t *kernel.Task, pid int32) (*kernel.Task, error) {
	if pid < 0 {
		return nil, unix.ESRCH
	}
	return schedTarget(t, pid)
}

// schedYield is sched_yield(2). The next run of guest code is a new turn on
// the host's processor anyway.
func schedYield(*kernel.Task, arch.Args) (uintptr, error) { return 0, nil }

// priorities returns the range of sched_priority of a policy.
func priorities(policy int32) (lo, hi int32, err error) {
	switch policy {
	case unix.SCHED_FIFO, unix.SCHED_RR:
		return 1, 99, nil
	case unix.SCHED_NORMAL, unix.SCHED_BATCH, unix.SCHED_IDLE, unix.SCHED_DEADLINE:
		return 0, 0, nil
	}
	return 0, 0, unix.EINVAL
}

func schedGetPriorityMax(_ *kernel.Task, a arch.Args) (uintptr, error) {
	_, hi, err := priorities(a[0].Int())
	return uintptr(hi), err
}

func schedGetPriorityMin(_ *kernel.Task, a arch.Args) (uintptr, error) {
	lo, _, err := priorities(a[0].Int())
	return uintptr(lo), err
}

func mayNice(t, o *kernel.Task) bool {
	c, oc := t.Cred(), o.CredOf()
	return c.EUID == oc.RUID || c.EUID == oc.EUID || c.HasCapIn(oc.UserNS, unix.CAP_SYS_NICE)
}

// setScheduler changes policy and priority of o, with sched_setscheduler(2)'s
// checks.
func setScheduler(t, o *kernel.Task, policy, prio int32) error {
	const resetOnFork = 0x40000000
	reset := policy&resetOnFork != 0
	policy &^= resetOnFork
	lo, hi, err := priorities(policy)
	if err != nil || policy == unix.SCHED_DEADLINE || prio < lo || prio > hi {
		return unix.EINVAL
	}
	s := o.Sched()
	if !t.Cred().HasCap(unix.CAP_SYS_NICE) {
		lim := int32(o.ThreadGroup().Limits().Get(unix.RLIMIT_RTPRIO).Cur)
		realtime := hi > 0
		if realtime && (policy != s.Policy && lim == 0 || prio > s.Priority && prio > lim) || !mayNice(t, o) || s.Reset && !reset {
			return unix.EPERM
		}
	}
	s.Policy, s.Priority, s.Reset = policy, prio, reset
	o.SetSched(s)
	return nil
}

func schedSetScheduler(t *kernel.Task, a arch.Args) (uintptr, error) {
	policy := a[1].Int()
	if policy < 0 {
		return 0, unix.EINVAL
	}
	return schedSet(t, a[0].Int(), &policy, usermem.Addr(a[2]))
}

func schedSetParam(t *kernel.Task, a arch.Args) (uintptr, error) {
	return schedSet(t, a[0].Int(), nil, usermem.Addr(a[1]))
}

func schedSet(t *kernel.Task, pid int32, policy *int32, param usermem.Addr) (uintptr, error) {
	if param == 0 || pid < 0 {
		return 0, unix.EINVAL
	}
	prio, err := usermem.In[int32](t.Mem(), param)
	if err != nil {
		return 0, err
	}
	o, err := schedTarget(t, pid)
	if err != nil {
		return 0, err
	}
	p := o.Sched().Policy
	if policy != nil {
		p = *policy
	}
	return 0, setScheduler(t, o, p, prio)
}

func schedGetScheduler(t *kernel.Task, a arch.Args) (uintptr, error) {
	o, err := schedTarget(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	s := o.Sched()
	p := uintptr(s.Policy)
	if s.Reset {
		p |= 0x40000000
	}
	return p, nil
}

func schedGetParam(t *kernel.Task, a arch.Args) (uintptr, error) {
	if a[1] == 0 {
		return 0, unix.EINVAL
	}
	o, err := schedTarget(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	p := o.Sched().Priority
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &p)
}

func schedRRGetInterval(t *kernel.Task, a arch.Args) (uintptr, error) {
	o, err := schedTarget(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	var ts unix.Timespec
	if o.Sched().Policy == unix.SCHED_RR {
		ts.Nsec = 100e6
	}
	return 0, usermem.Out(t.Mem(), usermem.Addr(a[1]), &ts)
}

// affinityWords is the size of the processor mask in 64-bit words.
func affinityWords(t *kernel.Task) int { return (t.Kernel().CPUs() + 63) / 64 }

func schedSetAffinity(t *kernel.Task, a arch.Args) (uintptr, error) {
	n := affinityWords(t)
	b := make([]byte, n*8)
	if _, err := t.Mem().CopyIn(usermem.Addr(a[2]), b[:min(uint64(len(b)), a[1].Size())]); err != nil {
		return 0, err
	}
	o, err := affinityTarget(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	if !mayNice(t, o) {
		return 0, unix.EPERM
	}
	mask := make([]uint64, n)
	any := false
	for i := range t.Kernel().CPUs() {
		if b[i/8]&(1<<(i%8)) != 0 {
			mask[i/64] |= 1 << (i % 64)
			any = true
		}
	}
	if !any {
		return 0, unix.EINVAL
	}
	s := o.Sched()
	s.Affinity = mask
	o.SetSched(s)
	return 0, nil
}

func schedGetAffinity(t *kernel.Task, a arch.Args) (uintptr, error) {
	n, size := affinityWords(t), a[1].Uint()
	if uint64(size)*8 < uint64(t.Kernel().CPUs()) || size%8 != 0 {
		return 0, unix.EINVAL
	}
	o, err := affinityTarget(t, a[0].Int())
	if err != nil {
		return 0, err
	}
	mask := o.Sched().Affinity
	if mask == nil {
		mask = make([]uint64, n)
		for i := range t.Kernel().CPUs() {
			mask[i/64] |= 1 << (i % 64)
		}
	}
	return uintptr(n * 8), usermem.OutSlice(t.Mem(), usermem.Addr(a[2]), mask)
}

// niceTargets returns the tasks that which and who name, getpriority(2).
func niceTargets(t *kernel.Task, which, who int32) ([]*kernel.Task, error) {
	switch which {
	case unix.PRIO_PROCESS:
		if who == 0 {
			return []*kernel.Task{t}, nil
		}
		if o := t.PIDNS().Task(who); o != nil {
			return []*kernel.Task{o}, nil
		}
	case unix.PRIO_PGRP, unix.PRIO_USER:
		if ts := t.SelectTasks(which == unix.PRIO_PGRP, who); len(ts) > 0 {
			return ts, nil
		}
	default:
		return nil, unix.EINVAL
	}
	return nil, unix.ESRCH
}

func getpriority(t *kernel.Task, a arch.Args) (uintptr, error) {
	os, err := niceTargets(t, a[0].Int(), a[1].Int())
	if err != nil {
		return 0, err
	}
	best := int32(20)
	for _, o := range os {
		best = min(best, o.Sched().Nice)
	}
	return uintptr(20 - best), nil
}

func setpriority(t *kernel.Task, a arch.Args) (uintptr, error) {
	os, err := niceTargets(t, a[0].Int(), a[1].Int())
	if err != nil {
		return 0, err
	}
	nice := max(-20, min(19, a[2].Int()))
	for _, o := range os {
		s := o.Sched()
		if !mayNice(t, o) {
			return 0, unix.EPERM
		}
		lim := int32(20 - min(o.ThreadGroup().Limits().Get(unix.RLIMIT_NICE).Cur, 40))
		if nice < s.Nice && nice < lim && !t.Cred().HasCap(unix.CAP_SYS_NICE) {
			return 0, unix.EACCES
		}
		s.Nice = nice
		o.SetSched(s)
	}
	return 0, nil
}

// ioprioGet and ioprioSet are ioprio_set(2) for the caller's own processes.
func ioprioGet(t *kernel.Task, a arch.Args) (uintptr, error) {
	os, err := ioprioTargets(t, a)
	if err != nil {
		return 0, err
	}
	return uintptr(os[0].Sched().IOPrio), nil
}

func ioprioSet(t *kernel.Task, a arch.Args) (uintptr, error) {
	prio := a[2].Int()
	switch class, level := prio>>13, prio&0x1fff; {
	case class == 1 && !t.Cred().HasCap(unix.CAP_SYS_ADMIN) && !t.Cred().HasCap(unix.CAP_SYS_NICE):
		return 0, unix.EPERM
	case class > 3 || class < 0 || class == 0 && level != 0 || level&7 != level:
		return 0, unix.EINVAL
	}
	os, err := ioprioTargets(t, a)
	if err != nil {
		return 0, err
	}
	for _, o := range os {
		if !mayNice(t, o) {
			return 0, unix.EPERM
		}
		s := o.Sched()
		s.IOPrio = prio
		o.SetSched(s)
	}
	return 0, nil
}

func ioprioTargets(t *kernel.Task, a arch.Args) ([]*kernel.Task, error) {
	// IOPRIO_WHO_* start at 1, PRIO_* at 0.
	return niceTargets(t, a[0].Int()-1, a[1].Int())
}

// getcpu is getcpu(2): the host's processor, as far as the guest has as many.
func getcpu(t *kernel.Task, a arch.Args) (uintptr, error) {
	var cpu, node uint32
	if c, err := hostCPU(); err == nil {
		cpu = uint32(c % t.Kernel().CPUs())
	}
	for i, v := range []*uint32{&cpu, &node} {
		if p := usermem.Addr(a[i]); p != 0 {
			if err := usermem.Out(t.Mem(), p, v); err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

func hostCPU() (int, error) {
	var cpu uint32
	_, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptrOf(&cpu), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(cpu), nil
}

// The commands of membarrier(2), which x/sys lacks (linux/membarrier.h).
const (
	barrierQuery             = 0
	barrierGlobal            = 1 << 0
	barrierGlobalExpedited   = 1 << 1
	registerGlobalExpedited  = 1 << 2
	barrierPrivateExpedited  = 1 << 3
	registerPrivateExpedited = 1 << 4
)

// membarrier is membarrier(2). Every barrier is the host's global one: it
// orders all processors, so also those that run this process.
func membarrier(t *kernel.Task, a arch.Args) (uintptr, error) {
	const all = barrierGlobal | barrierGlobalExpedited | registerGlobalExpedited | barrierPrivateExpedited | registerPrivateExpedited
	cmd, flags := a[0].Int(), a[1].Uint()
	if flags != 0 {
		return 0, unix.EINVAL
	}
	switch cmd {
	case barrierQuery:
		return all, nil
	case registerGlobalExpedited:
		return 0, nil
	case registerPrivateExpedited:
		t.ThreadGroup().RegisterBarrier()
		return 0, nil
	case barrierPrivateExpedited:
		if !t.ThreadGroup().BarrierRegistered() {
			return 0, unix.EPERM
		}
		fallthrough
	case barrierGlobal, barrierGlobalExpedited:
		if _, _, e := unix.Syscall(unix.SYS_MEMBARRIER, barrierGlobal, 0, 0); e != 0 {
			return 0, unix.ENOSYS
		}
		return 0, nil
	}
	return 0, unix.EINVAL
}
