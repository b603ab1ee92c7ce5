package container

import (
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
	"hull/runsc-like/leanjson"
)

// DefaultUmask is that of a container's processes.
const DefaultUmask = 0o022

// ExecFlags says how a process differs from its container's first one.
type ExecFlags struct {
	Args           []string
	Terminal       bool
	User           string // uid[:gid]; "" is the container's
	Cwd            string
	Env            []string
	Caps           []string
	AdditionalGids []uint
	NoNewPrivs     bool
	AppArmor       string // a profile
	SELinux        string // a label
}

// ExecProcess returns the process that exec is to run in a container: what file
// holds, or, without one, the container's own changed by f.
func (r Root) ExecProcess(id, file string, f *ExecFlags) (specs.Process, error) {
	c, err := r.Look(id)
	if err != nil {
		return specs.Process{}, err
	}
	p := *c.Process
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return p, fieldf("--process", "%v", err)
		}
		p = specs.Process{}
		if err := leanjson.Unmarshal(b, &p); err != nil {
			return p, fieldf("--process", "%s: %v", file, err)
		}
		if p.Capabilities == nil {
			p.Capabilities = c.Process.Capabilities
		}
		return p, c.checkAdded(&p)
	}
	p.Args, p.Terminal = f.Args, f.Terminal
	if f.Cwd != "" {
		p.Cwd = f.Cwd
	}
	p.Env = slices.Concat(p.Env, f.Env)
	if f.User != "" {
		if p.User, err = parseUser(f.User); err != nil {
			return p, err
		}
	}
	for _, g := range f.AdditionalGids {
		p.User.AdditionalGids = append(slices.Clone(p.User.AdditionalGids), uint32(g))
	}
	if f.NoNewPrivs {
		p.NoNewPrivileges = true
	}
	if len(f.Caps) > 0 {
		if p.Capabilities, err = moreCaps(p.Capabilities, f.Caps); err != nil {
			return p, err
		}
	}
	if f.AppArmor != "" {
		p.ApparmorProfile = f.AppArmor
	}
	if f.SELinux != "" {
		p.SelinuxLabel = f.SELinux
	}
	return p, c.checkAdded(&p)
}

// checkAdded checks a process that is to be added to the container.
func (c *Container) checkAdded(p *specs.Process) error {
	if err := checkProcess(&specs.Spec{Process: p}, ""); err != nil {
		return err
	}
	return checkSameLabel(c.Process, p)
}

// parseUser reads uid[:gid].
func parseUser(s string) (specs.User, error) {
	uid, gid, both := strings.Cut(s, ":")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		return specs.User{}, fieldf("--user", "parsing %s as int for uid failed", uid)
	}
	u := specs.User{UID: uint32(n)}
	if both {
		if n, err = strconv.ParseUint(gid, 10, 32); err != nil {
			return u, fieldf("--user", "parsing %s as int for gid failed", gid)
		}
		u.GID = uint32(n)
	}
	return u, nil
}

// moreCaps adds capabilities to all sets but the inheritable and ambient ones.
func moreCaps(c *specs.LinuxCapabilities, more []string) (*specs.LinuxCapabilities, error) {
	sum := specs.LinuxCapabilities{}
	if c != nil {
		sum = *c
	}
	all := control.Capabilities()
	for _, m := range more {
		if !slices.Contains(all, m) {
			return nil, fieldf("--cap", "%q is no capability", m)
		}
	}
	for _, set := range []*[]string{&sum.Bounding, &sum.Effective, &sum.Permitted} {
		*set = slices.Concat(*set, more)
	}
	return &sum, nil
}
