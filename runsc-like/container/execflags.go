package container

import (
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

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
// Warnings are of what is left out.
func (r Root) ExecProcess(id, file string, f *ExecFlags) (*specs.Process, []string, error) {
	c, err := r.Look(id)
	if err != nil {
		return nil, nil, err
	}
	p := *c.Process
	if file != "" {
		if p, err = readProcess(file); err != nil {
			return nil, nil, err
		}
		if p.Capabilities == nil {
			p.Capabilities = c.Process.Capabilities
		}
		return c.checkAdded(&p)
	}
	p.Args, p.Terminal = f.Args, f.Terminal
	if f.Cwd != "" {
		p.Cwd = f.Cwd
	}
	p.Env = slices.Concat(p.Env, f.Env)
	if f.User != "" {
		if p.User, err = parseUser(f.User); err != nil {
			return nil, nil, err
		}
	}
	for _, g := range f.AdditionalGids {
		p.User.AdditionalGids = append(slices.Clone(p.User.AdditionalGids), uint32(g))
	}
	if f.NoNewPrivs {
		p.NoNewPrivileges = true
	}
	if len(f.Caps) > 0 {
		p.Capabilities = moreCaps(p.Capabilities, f.Caps)
	}
	if f.AppArmor != "" {
		p.ApparmorProfile = f.AppArmor
	}
	if f.SELinux != "" {
		p.SelinuxLabel = f.SELinux
	}
	return c.checkAdded(&p)
}

// readProcess reads a process.json.
func readProcess(file string) (p specs.Process, err error) {
	b, err := readBounded(file)
	if err != nil {
		return p, fieldf("--process", "%v", err)
	}
	unknown, err := leanjson.Decode(b, &p)
	if err != nil {
		return p, fieldf("--process", "%s: %v", file, err)
	}
	if len(unknown) > 0 {
		return p, fieldf("--process", "%s: process.%s: is no property of version %s of the specification", file, unknown[0], specs.Version)
	}
	return p, nil
}

// checkAdded checks a process that is to be added to the container, and returns what
// is to be run.
func (c *Container) checkAdded(p *specs.Process) (*specs.Process, []string, error) {
	ch := checker{s: specs.Spec{Process: p}}
	if err := ch.checkProcess(); err != nil {
		return nil, nil, err
	}
	return ch.s.Process, ch.warnings, checkSameLabel(c.Process, ch.s.Process)
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
func moreCaps(c *specs.LinuxCapabilities, more []string) *specs.LinuxCapabilities {
	sum := specs.LinuxCapabilities{}
	if c != nil {
		sum = *c
	}
	for _, set := range []*[]string{&sum.Bounding, &sum.Effective, &sum.Permitted} {
		*set = slices.Concat(*set, more)
	}
	return &sum
}
