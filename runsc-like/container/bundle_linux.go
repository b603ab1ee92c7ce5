package container

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/profile"
)

func (c *checker) checkLinux() error {
	l := specs.Linux{}
	if c.s.Linux != nil {
		l = *c.s.Linux
	}
	c.s.Linux = &l
	for _, f := range []func(*specs.Linux) error{
		c.checkNamespaces, c.checkMappings, c.checkSeccomp, c.checkDevices, checkSysctl, c.checkResources, c.checkPaths,
		c.checkPropagation, checkPersonality, c.checkTime, checkImpossible,
	} {
		if err := f(&l); err != nil {
			return err
		}
	}
	return nil
}

// checkNamespaces: a container has its own of each kind, whatever is listed; it
// joins those of its pod.
func (c *checker) checkNamespaces(l *specs.Linux) error {
	kinds := []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.IPCNamespace, specs.UTSNamespace,
		specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace,
	}
	listed := map[specs.LinuxNamespaceType]bool{}
	for i, ns := range l.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		switch {
		case !slices.Contains(kinds, ns.Type):
			return fieldf(field+".type", "%q is no namespace", ns.Type)
		case listed[ns.Type]:
			return fieldf(field+".type", "%s is given twice", ns.Type)
		case ns.Path == "":
		case !filepath.IsAbs(ns.Path) || strings.IndexByte(ns.Path, 0) >= 0:
			return fieldf(field+".path", "%q is not an absolute path", ns.Path)
		case ns.Type == specs.NetworkNamespace: // whose interfaces the guest gets
		case podRole(c.s.Annotations) != roleContainer && !mayJoin(ns):
			return refuse(exJoin, field+".path")
		}
		listed[ns.Type] = true
	}
	if !listed[specs.NetworkNamespace] && !listed[specs.UserNamespace] {
		c.ignore(exHostNetwork, exHostNetwork)
	}
	// What is not listed would be the host's.
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace} {
		if !listed[kind] {
			c.warnf(exHostNamespace, "no %s: %s", kind, why(exHostNamespace))
		}
	}
	return nil
}

func (c *checker) checkMappings(l *specs.Linux) error {
	user := slices.ContainsFunc(l.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UserNamespace })
	for _, m := range []struct {
		field string
		list  []specs.LinuxIDMapping
	}{{"linux.uidMappings", l.UIDMappings}, {"linux.gidMappings", l.GIDMappings}} {
		if len(m.list) > 0 && !user {
			return fieldf(m.field, "there is no user namespace to map ids in")
		}
		if user && len(m.list) == 0 && len(l.UIDMappings)+len(l.GIDMappings) > 0 {
			return fieldf(m.field, "is missing")
		}
		if err := checkIDMap(m.list, m.field); err != nil {
			return err
		}
	}
	return nil
}

// maxMappings is how many lines an id map can have (user_namespaces(7)).
const maxMappings = 340

func checkIDMap(list []specs.LinuxIDMapping, field string) error {
	if len(list) > maxMappings {
		return fieldf(field, "has more than %d entries", maxMappings)
	}
	overlap := func(a, b, an, bn uint32) bool {
		return uint64(a) < uint64(b)+uint64(bn) && uint64(b) < uint64(a)+uint64(an)
	}
	for i, m := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if m.Size == 0 {
			return fieldf(at+".size", "is 0")
		}
		if uint64(m.ContainerID)+uint64(m.Size) > 1<<32-1 || uint64(m.HostID)+uint64(m.Size) > 1<<32-1 {
			return fieldf(at+".size", "%d ids reach past the last one", m.Size)
		}
		for _, o := range list[:i] {
			if overlap(m.ContainerID, o.ContainerID, m.Size, o.Size) || overlap(m.HostID, o.HostID, m.Size, o.Size) {
				return fieldf(at, "has ids that an entry before it has")
			}
		}
	}
	return nil
}

func (c *checker) checkSeccomp(l *specs.Linux) error {
	if l.Seccomp == nil || compiledProfiles().has(l.Seccomp) {
		return nil
	}
	_, err := profile.Compile(l.Seccomp)
	var e *profile.Error
	if errors.As(err, &e) {
		return fieldf("linux.seccomp."+e.Field, "%s", e.Why)
	}
	return err
}

func (c *checker) checkDevices(l *specs.Linux) error {
	const (
		maxDevices = 4096
		maxMajor   = 1<<12 - 1
		maxMinor   = 1<<20 - 1
	)
	if len(l.Devices) > maxDevices {
		return fieldf("linux.devices", "has more than %d entries", maxDevices)
	}
	seen := map[string]bool{}
	l.Devices = slices.Clone(l.Devices)
	for i := range l.Devices {
		d := &l.Devices[i]
		field := fmt.Sprintf("linux.devices[%d].", i)
		if !filepath.IsAbs(d.Path) || strings.IndexByte(d.Path, 0) >= 0 {
			return fieldf(field+"path", "%q is not an absolute path", d.Path)
		}
		d.Path = filepath.Clean(d.Path)
		if seen[d.Path] {
			return fieldf(field+"path", "%s is given twice", d.Path)
		}
		seen[d.Path] = true
		switch d.Type {
		case "c", "u", "b":
			if d.Major < 0 || d.Major > maxMajor {
				return fieldf(field+"major", "%d is no device number", d.Major)
			}
			if d.Minor < 0 || d.Minor > maxMinor {
				return fieldf(field+"minor", "%d is no device number", d.Minor)
			}
		case "p":
		default:
			return fieldf(field+"type", "%q is none of c, b, u and p", d.Type)
		}
		if d.FileMode != nil && uint32(*d.FileMode)&^0o170000 > 0o7777 {
			return fieldf(field+"fileMode", "%#o has more than permissions", uint32(*d.FileMode))
		}
	}
	return nil
}

// checkSysctl allows what belongs to a container, as other runtimes do: what
// belongs to the kernel as a whole is not a container's to set.
func checkSysctl(l *specs.Linux) error {
	ipc := []string{
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced",
	}
	for _, key := range slices.Sorted(maps.Keys(l.Sysctl)) {
		field := fmt.Sprintf("linux.sysctl[%q]", key)
		name := strings.ReplaceAll(key, "/", ".")
		if strings.Contains(key, "\x00") || strings.Contains(l.Sysctl[key], "\x00") {
			return fieldf(field, "has a zero byte")
		}
		if slices.Contains(strings.Split(name, "."), "") {
			return fieldf(field, "is not a name as net.core.somaxconn")
		}
		switch {
		case slices.Contains(ipc, name), strings.HasPrefix(name, "fs.mqueue."), strings.HasPrefix(name, "net."), name == "kernel.domainname":
		case name == "kernel.hostname":
			return fieldf(field, "is set by hostname")
		default:
			return fieldf(field, "is not in a separate kernel namespace")
		}
	}
	return nil
}

func (c *checker) checkResources(l *specs.Linux) error {
	r := l.Resources
	if r == nil {
		return nil
	}
	if m := r.Memory; m != nil {
		//lint:ignore SA1019 it is named as what has no effect
		if m.Kernel != nil {
			c.ignore(exKernelMemory, exKernelMemory)
		}
		if m.KernelTCP != nil {
			c.ignore(exKernelTCP, exKernelTCP)
		}
		if m.UseHierarchy != nil && !*m.UseHierarchy {
			c.ignore(exHierarchy, exHierarchy)
		}
	}
	return asField(cgroup.Check(r))
}

func (c *checker) checkPaths(l *specs.Linux) error {
	for _, list := range []struct {
		field string
		paths []string
	}{{"linux.maskedPaths", l.MaskedPaths}, {"linux.readonlyPaths", l.ReadonlyPaths}} {
		for i, p := range list.paths {
			if !filepath.IsAbs(p) || strings.IndexByte(p, 0) >= 0 {
				return fieldf(fmt.Sprintf("%s[%d]", list.field, i), "%q is not an absolute path", p)
			}
		}
	}
	if strings.ContainsAny(l.MountLabel, "\x00\n") {
		return fieldf("linux.mountLabel", "%q is no label", l.MountLabel)
	}
	if l.MountLabel != "" {
		c.ignore(exMountLabel, exMountLabel)
	}
	return nil
}

func (c *checker) checkPropagation(l *specs.Linux) error {
	switch l.RootfsPropagation {
	case "", "private", "rprivate":
	case "shared", "rshared", "slave", "rslave", "unbindable", "runbindable":
		c.ignore(exPropagation, exPropagation)
	default:
		return fieldf("linux.rootfsPropagation", "%q is none of private, shared, slave and unbindable", l.RootfsPropagation)
	}
	return nil
}

func checkPersonality(l *specs.Linux) error {
	p := l.Personality
	switch {
	case p == nil:
		return nil
	case p.Domain != specs.PerLinux && p.Domain != specs.PerLinux32:
		return fieldf("linux.personality.domain", "%q is neither LINUX nor LINUX32", p.Domain)
	case len(p.Flags) != 0:
		return fieldf("linux.personality.flags", "there are none yet")
	}
	return nil
}

// checkTime checks the offsets of the time namespace. A clock that would be
// before the machine's start is refused when it is known what it is.
func (c *checker) checkTime(l *specs.Linux) error {
	const most = 1 << 32 // seconds: as much as an int64 of nanoseconds has, and reserve
	for _, name := range slices.Sorted(maps.Keys(l.TimeOffsets)) {
		field := fmt.Sprintf("linux.timeOffsets[%q]", name)
		if name != "monotonic" && name != "boottime" {
			return fieldf(field, "is no clock of a time namespace")
		}
		o := l.TimeOffsets[name]
		switch {
		case o.Nanosecs >= 1e9:
			return fieldf(field+".nanosecs", "%d is a second or more", o.Nanosecs)
		case o.Secs > most || o.Secs < -most:
			return fieldf(field+".secs", "%d is out of range", o.Secs)
		}
	}
	if len(l.TimeOffsets) > 0 && !slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.TimeNamespace }) {
		return fieldf("linux.timeOffsets", "linux.namespaces has no time namespace for them")
	}
	return nil
}

// clockOffset is one of linux.timeOffsets, in nanoseconds; now is the host's clock.
func clockOffset(l *specs.Linux, name string, now int32) (int64, error) {
	o, ok := l.TimeOffsets[name]
	if !ok {
		return 0, nil
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(now, &ts); err != nil {
		return 0, err
	}
	ns := o.Secs*1e9 + int64(o.Nanosecs)
	if ts.Nano()+ns < 0 {
		return 0, fieldf(fmt.Sprintf("linux.timeOffsets[%q]", name), "the clock would be negative")
	}
	return ns, nil
}

// checkImpossible refuses what is of the host's kernel alone.
func checkImpossible(l *specs.Linux) error {
	switch {
	case l.IntelRdt != nil:
		return refuse(exRDT, exRDT)
	case l.MemoryPolicy != nil:
		return refuse(exMemoryPolicy, exMemoryPolicy)
	case len(l.NetDevices) != 0:
		return refuse(exNetDevices, exNetDevices)
	}
	return nil
}
