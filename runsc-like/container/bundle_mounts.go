package container

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
)

// mountTypes are those that the sandbox can mount. "none" with bind is how
// configurations often say bind.
func mountTypes() []string {
	return []string{"proc", "sysfs", "tmpfs", "devpts", "mqueue", "bind", "cgroup", "cgroup2"}
}

func (c *checker) checkMounts() error {
	c.s.Mounts = slices.Clone(c.s.Mounts)
	for i := range c.s.Mounts {
		if err := c.checkMount(&c.s.Mounts[i], fmt.Sprintf("mounts[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkMount(m *specs.Mount, field string) error {
	if m.Destination == "" {
		return fieldf(field+".destination", "is missing")
	}
	for _, s := range append([]string{m.Destination, m.Type, m.Source}, m.Options...) {
		if strings.IndexByte(s, 0) >= 0 {
			return fieldf(field, "has a zero byte in %q", s)
		}
	}
	if !filepath.IsAbs(m.Destination) {
		// Callers that were made for older versions still do it, and runc has
		// never refused it.
		c.warnf(field+".destination", "%q is not absolute, and is taken from /", m.Destination)
	}
	m.Destination = filepath.Clean("/" + m.Destination)
	if m.Destination == "/" {
		return fieldf(field+".destination", "the root cannot be mounted over")
	}
	bind := hasOption(*m, control.OptionBind) || hasOption(*m, control.OptionRBind)
	if bind {
		m.Type = "bind"
	}
	if m.Type == "" {
		return fieldf(field+".type", "is missing")
	}
	if !slices.Contains(mountTypes(), m.Type) {
		return refuse(exMountType, field+".type")
	}
	if err := c.checkMountIDs(m, field); err != nil {
		return err
	}
	if err := c.checkOptions(m, field+".options"); err != nil {
		return err
	}
	if m.Type != "bind" {
		return nil
	}
	if m.Source == "" {
		return fieldf(field+".source", "is missing")
	}
	if !filepath.IsAbs(m.Source) {
		m.Source = filepath.Join(c.dir, m.Source)
	}
	abs, err := filepath.EvalSymlinks(m.Source)
	if err != nil {
		return fieldf(field+".source", "%v", err)
	}
	m.Source = abs
	if typ := ownOf(abs); typ != "" {
		// The host's is a window into the host's kernel. What a container means
		// by it is that of its own.
		m.Type, m.Source = typ, typ
		m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool {
			return o == control.OptionBind || o == control.OptionRBind
		})
	}
	return nil
}

// ownOf returns the type of the guest's file system that stands for a mount
// point of the host's kernel; "" if source is none.
func ownOf(source string) string {
	switch source {
	case "/proc":
		return "proc"
	case "/sys":
		return "sysfs"
	case "/sys/fs/cgroup":
		return "cgroup2"
	case "/dev/mqueue":
		return "mqueue"
	}
	return ""
}

// checkMountIDs checks the ids of a mount that shows others than its files have.
func (c *checker) checkMountIDs(m *specs.Mount, field string) error {
	if len(m.UIDMappings)+len(m.GIDMappings) == 0 && !idMapped(*m) {
		return nil
	}
	own := c.s.Linux != nil && len(c.s.Linux.UIDMappings) > 0 && len(c.s.Linux.GIDMappings) > 0
	switch {
	case m.Type != "bind":
		return refuse(exMountIDs, field+".uidMappings")
	case (len(m.UIDMappings) == 0) != (len(m.GIDMappings) == 0):
		return fieldf(field+".uidMappings", "they and gidMappings go together")
	case len(m.UIDMappings) == 0 && !own:
		return fieldf(field+".uidMappings", "are missing, and the container has no user namespace whose ids are meant")
	}
	if err := checkIDMap(m.UIDMappings, field+".uidMappings"); err != nil {
		return err
	}
	return checkIDMap(m.GIDMappings, field+".gidMappings")
}

func (c *checker) checkOptions(m *specs.Mount, field string) error {
	if c.options == nil {
		c.options = control.MountOptions()
	}
	for i, name := range m.Options {
		o, ok := c.options[name]
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case !ok && m.Type == "bind" && !strings.Contains(name, "="):
			return fieldf(at, "%q is no option of a bind mount", name)
		case !ok && m.Type == "bind":
			c.warnf(at, "%q has no effect: %s", name, why(exBindData))
		case !ok:
			continue // the file system judges it
		case name == control.OptionCopyUp && m.Type != "tmpfs":
			return fieldf(at, "%s is for tmpfs", name)
		case o.NoEffect, o.Propagation && !strings.HasSuffix(name, "private"):
			c.ignore(exMountOption, at)
		}
	}
	return nil
}
