package boot

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/sentry/kernel"
)

// setAttributes fills in what a process has from the start that is neither a
// credential nor a file. The configuration was checked before.
func setAttributes(a *kernel.InitArgs, p *specs.Process, l *specs.Linux) {
	a.Sched = schedOf(p)
	if p.OOMScoreAdj != nil {
		a.OOMScoreAdj = int32(*p.OOMScoreAdj)
	}
	if l != nil && l.Personality != nil && l.Personality.Domain == specs.PerLinux32 {
		a.Personality = perLinux32
	}
}

// perLinux32 is PER_LINUX32 of personality(2).
const perLinux32 = 0x0008

func schedOf(p *specs.Process) kernel.Sched {
	var s kernel.Sched
	if c := p.Scheduler; c != nil {
		switch c.Policy {
		case specs.SchedFIFO:
			s.Policy = unix.SCHED_FIFO
		case specs.SchedRR:
			s.Policy = unix.SCHED_RR
		case specs.SchedBatch:
			s.Policy = unix.SCHED_BATCH
		case specs.SchedIdle:
			s.Policy = unix.SCHED_IDLE
		}
		s.Priority, s.Nice = c.Priority, c.Nice
		s.Reset = slices.Contains(c.Flags, specs.SchedFlagResetOnFork)
	}
	if io := p.IOPriority; io != nil {
		const classShift = 13
		class := map[specs.IOPriorityClass]int32{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}
		s.IOPrio = class[io.Class]<<classShift | int32(io.Priority)
	}
	return s
}
