package container

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/control"
)

func (c *checker) checkProcess() error {
	if c.s.Process == nil {
		return fieldf("process", "is missing")
	}
	p := *c.s.Process
	c.s.Process = &p
	if len(p.Args) == 0 || p.Args[0] == "" {
		return fieldf("process.args", "is empty")
	}
	if !filepath.IsAbs(p.Cwd) {
		return fieldf("process.cwd", "%q is not an absolute path", p.Cwd)
	}
	for _, f := range []func(*specs.Process) error{
		checkStrings, checkUser, c.checkRlimits, c.checkCaps, checkTerminal, c.checkScheduler, checkIOPriority, checkConfinement,
	} {
		if err := f(&p); err != nil {
			return err
		}
	}
	if o := p.OOMScoreAdj; o != nil && (*o < -1000 || *o > 1000) {
		return fieldf("process.oomScoreAdj", "%d is not -1000 to 1000", *o)
	}
	if a := p.ExecCPUAffinity; a != nil {
		for _, l := range []struct{ name, list string }{{"initial", a.Initial}, {"final", a.Final}} {
			if err := cgroup.CheckList(l.list); err != nil {
				return fieldf("process.execCPUAffinity."+l.name, "%v", err)
			}
		}
		c.ignore(exAffinity, exAffinity)
	}
	return nil
}

func checkStrings(p *specs.Process) error {
	for i, e := range p.Env {
		if strings.IndexByte(e, '=') < 1 {
			return fieldf(fmt.Sprintf("process.env[%d]", i), "%q is not NAME=value", e)
		}
	}
	for _, list := range []struct {
		name string
		strs []string
	}{{"process.args", p.Args}, {"process.env", p.Env}} {
		for i, a := range list.strs {
			if strings.IndexByte(a, 0) >= 0 {
				return fieldf(fmt.Sprintf("%s[%d]", list.name, i), "has a zero byte")
			}
		}
	}
	if strings.IndexByte(p.Cwd, 0) >= 0 {
		return fieldf("process.cwd", "has a zero byte")
	}
	return nil
}

func checkUser(p *specs.Process) error {
	const (
		none      = ^uint32(0) // (uid_t)-1, "no change" to the kernel
		maxGroups = 65536
	)
	u := p.User
	switch {
	case u.UID == none:
		return fieldf("process.user.uid", "%d is no user", u.UID)
	case u.GID == none:
		return fieldf("process.user.gid", "%d is no group", u.GID)
	case slices.Contains(u.AdditionalGids, none):
		return fieldf("process.user.additionalGids", "%d is no group", none)
	case len(u.AdditionalGids) > maxGroups:
		return fieldf("process.user.additionalGids", "has more than %d groups", maxGroups)
	case u.Umask != nil && *u.Umask > 0o777:
		return fieldf("process.user.umask", "%#o has more than the bits 0777", *u.Umask)
	}
	return nil
}

func (c *checker) checkRlimits(p *specs.Process) error {
	names := control.Limits()
	seen := map[string]bool{}
	for i, l := range p.Rlimits {
		field := fmt.Sprintf("process.rlimits[%d]", i)
		switch _, ok := names[l.Type]; {
		case !ok:
			return fieldf(field+".type", "%q is no resource limit", l.Type)
		case seen[l.Type]:
			return fieldf(field+".type", "%s is given twice", l.Type)
		case l.Soft > l.Hard:
			return fieldf(field, "the soft limit %d is above the hard limit %d", l.Soft, l.Hard)
		}
		seen[l.Type] = true
	}
	return nil
}

// checkCaps takes away what the guest's kernel does not know, as the
// specification wants it: with a warning.
func (c *checker) checkCaps(p *specs.Process) error {
	if p.Capabilities == nil {
		return nil
	}
	caps := *p.Capabilities
	p.Capabilities = &caps
	all := control.Capabilities()
	for _, set := range []struct {
		name string
		caps *[]string
	}{
		{"bounding", &caps.Bounding}, {"effective", &caps.Effective}, {"inheritable", &caps.Inheritable},
		{"permitted", &caps.Permitted}, {"ambient", &caps.Ambient},
	} {
		var known []string
		for i, name := range *set.caps {
			if !slices.Contains(all, name) {
				c.warnf(fmt.Sprintf("process.capabilities.%s[%d]", set.name, i), "%q is no capability, and is left out", name)
				continue
			}
			known = append(known, name)
		}
		*set.caps = known
	}
	return nil
}

func checkTerminal(p *specs.Process) error {
	const most = 1<<16 - 1 // of struct winsize
	if s := p.ConsoleSize; s != nil && (s.Height > most || s.Width > most) {
		return fieldf("process.consoleSize", "%d by %d is more than %d", s.Width, s.Height, most)
	}
	return nil
}

func (c *checker) checkScheduler(p *specs.Process) error {
	s := p.Scheduler
	if s == nil {
		return nil
	}
	const field = "process.scheduler."
	lo, hi := int32(0), int32(0)
	switch s.Policy {
	case specs.SchedOther, specs.SchedBatch, specs.SchedIdle:
	case specs.SchedFIFO, specs.SchedRR:
		lo, hi = 1, 99
	case specs.SchedDeadline:
		return refuse(exDeadline, exDeadline)
	default:
		return fieldf(field+"policy", "%q is no policy of Linux", s.Policy)
	}
	if s.Priority < lo || s.Priority > hi {
		return fieldf(field+"priority", "%d is not %d to %d, as %s has", s.Priority, lo, hi, s.Policy)
	}
	if s.Nice < -20 || s.Nice > 19 {
		return fieldf(field+"nice", "%d is not -20 to 19", s.Nice)
	}
	if s.Runtime|s.Deadline|s.Period != 0 {
		return fieldf(field+"runtime", "this, deadline and period are for SCHED_DEADLINE")
	}
	for i, f := range s.Flags {
		switch f {
		case specs.SchedFlagResetOnFork:
		case specs.SchedFlagKeepPolicy, specs.SchedFlagKeepParams, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun,
			specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax:
			return fieldf(fmt.Sprintf("%sflags[%d]", field, i), "%s cannot be used with a sandbox", f)
		default:
			return fieldf(fmt.Sprintf("%sflags[%d]", field, i), "%q is no flag", f)
		}
	}
	return nil
}

func checkIOPriority(p *specs.Process) error {
	io := p.IOPriority
	if io == nil {
		return nil
	}
	switch io.Class {
	case specs.IOPRIO_CLASS_RT, specs.IOPRIO_CLASS_BE, specs.IOPRIO_CLASS_IDLE:
	default:
		return fieldf("process.ioPriority.class", "%q is no class", io.Class)
	}
	if io.Priority < 0 || io.Priority > 7 {
		return fieldf("process.ioPriority.priority", "%d is not 0 to 7", io.Priority)
	}
	return nil
}
