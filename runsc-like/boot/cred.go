package boot

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
	"hull/sentry/auth"
	"hull/sentry/limits"
)

// credOf returns the credentials of the first process.
func credOf(p *specs.Process, ns *auth.UserNamespace) (*auth.Cred, error) {
	u := p.User
	// Callers know these sentences from runc.
	const unmapped = "unable to start container process: unable to setup user: cannot set %s to unmapped user in user namespace"
	switch {
	case !ns.HasUID(u.UID):
		return nil, fmt.Errorf(unmapped, "uid")
	case !ns.HasGID(u.GID), slices.ContainsFunc(u.AdditionalGids, func(g uint32) bool { return !ns.HasGID(g) }):
		return nil, fmt.Errorf(unmapped, "gid")
	}
	c := &auth.Cred{
		RUID: u.UID, EUID: u.UID, SUID: u.UID, FSUID: u.UID,
		RGID: u.GID, EGID: u.GID, SGID: u.GID, FSGID: u.GID,
		Groups:     slices.Clone(u.AdditionalGids),
		NoNewPrivs: p.NoNewPrivileges,
		UserNS:     ns,
	}
	slices.Sort(c.Groups)
	if p.Capabilities == nil {
		return c, nil
	}
	for _, set := range []struct {
		names []string
		to    *auth.CapSet
	}{
		{p.Capabilities.Permitted, &c.Permitted}, {p.Capabilities.Effective, &c.Effective},
		{p.Capabilities.Inheritable, &c.Inheritable}, {p.Capabilities.Bounding, &c.Bounding},
		{p.Capabilities.Ambient, &c.Ambient},
	} {
		caps, err := capSet(set.names)
		if err != nil {
			return nil, err
		}
		*set.to = caps
	}
	// The kernel's own rules hold for what a configuration asks for too.
	c.Effective &= c.Permitted
	c.Ambient &= c.Permitted & c.Inheritable
	return c, nil
}

// idRanges are the lines of an id map.
func idRanges(list []specs.LinuxIDMapping) []auth.IDRange {
	var all []auth.IDRange
	for _, e := range list {
		all = append(all, auth.IDRange{First: e.ContainerID, Parent: e.HostID, Count: e.Size})
	}
	return all
}

func capSet(names []string) (auth.CapSet, error) {
	all := control.Capabilities()
	var s auth.CapSet
	for _, n := range names {
		i := slices.Index(all, n)
		if i < 0 {
			return 0, fmt.Errorf("process.capabilities: %q is no capability", n)
		}
		s |= 1 << i
	}
	return s, nil
}

// limitsOf returns the resource limits of the first process.
func limitsOf(p *specs.Process) (*limits.Set, error) {
	set, numbers := limits.NewSet(), control.Limits()
	for _, l := range p.Rlimits {
		r, ok := numbers[l.Type]
		if !ok {
			return nil, fmt.Errorf("process.rlimits: %q is no resource limit", l.Type)
		}
		if _, err := set.Set(r, limits.Limit{Cur: l.Soft, Max: l.Hard}, true); err != nil {
			return nil, fmt.Errorf("process.rlimits: %s: %w", l.Type, err)
		}
	}
	return set, nil
}
