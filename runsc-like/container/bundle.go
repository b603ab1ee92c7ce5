package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/control"
	"hull/runsc-like/hooks"
)

// LoadBundle reads config.json of an OCI bundle, checks it, and makes its paths
// absolute. An error of the configuration is a *FieldError.
func LoadBundle(dir string) (*specs.Spec, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(abs, "config.json")
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fieldf("--bundle", "%s has no config.json", abs)
	}
	if err != nil {
		return nil, fieldf("--bundle", "%v", err)
	}
	s := &specs.Spec{}
	if err := json.Unmarshal(b, s); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) {
			return nil, fmt.Errorf("%s: %w", name, fieldf(te.Field, "is a %s, not a %s", te.Value, te.Type))
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := check(s, abs); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// CheckID refuses what cannot be a container's name.
func CheckID(id string) error {
	const longest = 1024
	if len(id) > longest {
		return fieldf("ID", "is longer than %d bytes", longest)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`).MatchString(id) {
		return fieldf("ID", "%q: only letters, digits, _ + . - are allowed, the first a letter, digit or _", id)
	}
	return nil
}

// check validates s, whose bundle is at dir, and completes it.
func check(s *specs.Spec, dir string) error {
	for _, f := range []func(*specs.Spec, string) error{checkVersion, checkProcess, checkRoot, checkMounts, checkLinux} {
		if err := f(s, dir); err != nil {
			return err
		}
	}
	return nil
}

func checkVersion(s *specs.Spec, _ string) error {
	if s.Version == "" {
		return fieldf("ociVersion", "is missing")
	}
	if !strings.HasPrefix(s.Version, "1.") {
		return fieldf("ociVersion", "%q: hull knows version 1", s.Version)
	}
	if s.Hooks != nil && len(s.Hooks.StartContainer) != 0 {
		return fieldf("hooks.startContainer", "is not supported yet")
	}
	if err := hooks.Check(s.Hooks); err != nil {
		field, why, _ := strings.Cut(err.Error(), ": ")
		return fieldf(field, "%s", why)
	}
	return nil
}

func checkProcess(s *specs.Spec, _ string) error {
	p := s.Process
	if p == nil {
		return fieldf("process", "is missing")
	}
	if len(p.Args) == 0 || p.Args[0] == "" {
		return fieldf("process.args", "is empty")
	}
	if !filepath.IsAbs(p.Cwd) {
		return fieldf("process.cwd", "%q is not an absolute path", p.Cwd)
	}
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
	return checkCaps(p.Capabilities)
}

func checkCaps(c *specs.LinuxCapabilities) error {
	if c == nil {
		return nil
	}
	all := control.Capabilities()
	for _, set := range []struct {
		name string
		caps []string
	}{
		{"bounding", c.Bounding}, {"effective", c.Effective}, {"inheritable", c.Inheritable},
		{"permitted", c.Permitted}, {"ambient", c.Ambient},
	} {
		for i, name := range set.caps {
			if !slices.Contains(all, name) {
				return fieldf(fmt.Sprintf("process.capabilities.%s[%d]", set.name, i), "%q is no capability", name)
			}
		}
	}
	return nil
}

func checkRoot(s *specs.Spec, dir string) error {
	if s.Root == nil || s.Root.Path == "" {
		return fieldf("root.path", "is missing")
	}
	if !filepath.IsAbs(s.Root.Path) {
		s.Root.Path = filepath.Join(dir, s.Root.Path)
	}
	abs, err := filepath.EvalSymlinks(s.Root.Path)
	if err != nil {
		return fieldf("root.path", "%v", err)
	}
	if st, err := os.Stat(abs); err != nil {
		return fieldf("root.path", "%v", err)
	} else if !st.IsDir() {
		return fieldf("root.path", "%s is not a directory", s.Root.Path)
	}
	s.Root.Path = abs
	return nil
}

// mountTypes are those that the sandbox can mount. "none" with bind is how
// configurations often say bind.
func mountTypes() []string {
	return []string{"proc", "sysfs", "tmpfs", "devpts", "mqueue", "bind", "cgroup", "cgroup2"}
}

func checkMounts(s *specs.Spec, dir string) error {
	for i := range s.Mounts {
		m := &s.Mounts[i]
		field := fmt.Sprintf("mounts[%d]", i)
		if !filepath.IsAbs(m.Destination) {
			return fieldf(field+".destination", "%q is not an absolute path", m.Destination)
		}
		m.Destination = filepath.Clean(m.Destination)
		if hasOption(*m, "bind") || hasOption(*m, "rbind") {
			m.Type = "bind"
		}
		if !slices.Contains(mountTypes(), m.Type) {
			return fieldf(field+".type", "%q is not supported", m.Type)
		}
		if m.Type != "bind" {
			continue
		}
		if !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(dir, m.Source)
		}
		abs, err := filepath.EvalSymlinks(m.Source)
		if err != nil {
			return fieldf(field+".source", "%v", err)
		}
		m.Source = abs
	}
	return nil
}

func checkLinux(s *specs.Spec, _ string) error {
	l := s.Linux
	if l == nil {
		s.Linux = &specs.Linux{}
		return nil
	}
	if l.Seccomp != nil {
		return fieldf("linux.seccomp", "filters of the guest's own are not supported yet")
	}
	if len(l.UIDMappings)+len(l.GIDMappings) != 0 {
		return fieldf("linux.uidMappings", "are not supported yet")
	}
	if len(l.Devices) != 0 {
		return fieldf("linux.devices", "host devices are not passed to the guest")
	}
	if len(l.Sysctl) != 0 {
		return fieldf("linux.sysctl", "is not supported yet")
	}
	if l.Resources != nil {
		if err := cgroup.Check(l.Resources); err != nil {
			return err
		}
	}
	for i, p := range append(slices.Clone(l.MaskedPaths), l.ReadonlyPaths...) {
		if !filepath.IsAbs(p) {
			field := fmt.Sprintf("linux.maskedPaths[%d]", i)
			if i >= len(l.MaskedPaths) {
				field = fmt.Sprintf("linux.readonlyPaths[%d]", i-len(l.MaskedPaths))
			}
			return fieldf(field, "%q is not an absolute path", p)
		}
	}
	return nil
}
