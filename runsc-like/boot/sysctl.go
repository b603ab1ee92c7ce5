package boot

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

// domainSysctl is the one that is a name of the UTS namespace.
const domainSysctl = "kernel.domainname"

// domainname is what a configuration says the NIS domain name is, or what Linux has
// before anybody says so.
func domainname(s *specs.Spec) string {
	if d, ok := s.Linux.Sysctl[domainSysctl]; ok {
		return d
	}
	return cmp.Or(s.Domainname, "(none)")
}

// setSysctl writes the configuration's parameters to an instance of /proc that nobody
// else sees.
func (c *container) setSysctl() error {
	list := c.cfg.Spec.Linux.Sysctl
	if len(list) == 0 {
		return nil
	}
	fs, root, err := c.s.types["proc"].New(c.boot, "proc", "")
	if err != nil {
		return fmt.Errorf("linux.sysctl: %w", err)
	}
	ns := vfs.NewNamespace(c.s.env, fs, root, "proc", 0)
	defer ns.DecRef()
	ctx := vfs.NewContext(ns)
	defer ctx.DecRef()
	for _, key := range slices.Sorted(maps.Keys(list)) {
		if key == domainSysctl {
			continue
		}
		name := sysctlPath(key)
		if c.s.cfg.HostNetwork && strings.HasPrefix(name, "/sys/net/") {
			continue // the launcher has set it, in the host's namespace
		}
		err := c.writeFile(ctx, name, list[key])
		switch {
		case errors.Is(err, unix.EIO), errors.Is(err, unix.EACCES):
			return fmt.Errorf("linux.sysctl[%q]: is fixed in the guest's kernel", key)
		case errors.Is(err, unix.ENOENT):
			return fmt.Errorf("linux.sysctl[%q]: is none of the guest's kernel", key)
		case err != nil:
			return fmt.Errorf("linux.sysctl[%q]: %w", key, err)
		}
	}
	return nil
}

// sysctlPath is where a parameter is: as sysctl(8) reads names, the first of
// dot and slash in one separates, and the other one is part of a name.
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		key = strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	return path.Join("/sys", path.Clean("/"+key))
}

// writeFile writes a text to a file that exists.
func (c *container) writeFile(ctx *vfs.Context, name, text string) error {
	f, err := vfs.Open(c.boot, vfs.At{FS: ctx, Name: name, Follow: true}, vfs.OpenHow{Flags: unix.O_WRONLY})
	if err != nil {
		return err
	}
	defer f.DecRef(c.boot)
	b := []byte(text)
	n, err := f.Write(c.boot, usermem.One(usermem.Bytes(b), 0, uint64(len(b))))
	if err == nil && int(n) < len(b) {
		err = unix.EINVAL
	}
	return err
}
