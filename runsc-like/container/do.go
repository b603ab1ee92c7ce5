package container

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/control"
)

// Do is a command to run over the host's root, or another directory.
type Do struct {
	Args     []string
	Root     string   // "" is /
	Writable []string // host directories that are the guest's to change, at the same path
	Volumes  []string // SRC:DST[:ro]
	Cwd      string   // "" is the caller's, or / if Root has no such directory
	Env      []string // NAME=value, or NAME to take it over; on top of the caller's
	User     string   // uid[:gid] or name[:group]; "" is the caller
	Hostname string   // "" is the host's
}

// Spec returns d as an OCI configuration, and whether the root itself is the guest's
// to change.
func (d *Do) Spec() (s *specs.Spec, writable bool, err error) {
	root, err := directory("--root", orElse(d.Root, "/"))
	if err != nil {
		return nil, false, err
	}
	s = &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{Args: d.Args, Env: d.environment()},
		Root:    &specs.Root{Path: root},
		Linux:   &specs.Linux{},
	}
	if s.Hostname = d.Hostname; s.Hostname == "" {
		if s.Hostname, err = os.Hostname(); err != nil {
			return nil, false, err
		}
	}
	if s.Process.User, err = d.user(root); err != nil {
		return nil, false, err
	}
	s.Process.Capabilities = hostCaps(s.Process.User)
	s.Process.Rlimits = hostLimits()
	if s.Process.Cwd, err = d.cwd(root); err != nil {
		return nil, false, err
	}
	s.Mounts = []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "nodev", "noexec", "ro"}},
		{Destination: "/dev", Type: "tmpfs", Source: "dev", Options: []string{"nosuid", "mode=755"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "nodev", "noexec"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "nodev", "mode=1777"}},
	}
	for _, dir := range d.Writable {
		abs, err := directory("--rw", dir)
		if err != nil {
			return nil, false, err
		}
		switch {
		case abs == root:
			writable = true
			continue
		case abs == "/proc", abs == "/sys", abs == "/dev", strings.HasPrefix(abs, "/proc/"), strings.HasPrefix(abs, "/sys/"):
			return nil, false, fieldf("--rw", "%s is the kernel's: the guest has its own", abs)
		case abs == "/":
			return nil, false, fieldf("--rw", "/ would hide the root, which is %s", root)
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: abs, Type: "bind", Source: abs, Options: []string{"rbind", "rw"}})
	}
	for _, v := range d.Volumes {
		m, err := volume(v)
		if err != nil {
			return nil, false, err
		}
		if m.Destination == "/" {
			return nil, false, fieldf("--volume", "%q: a root is given by --root", v)
		}
		s.Mounts = append(s.Mounts, m)
	}
	return s, writable, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// directory returns name without symbolic links, if it is a directory.
func directory(flag, name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", fieldf(flag, "%v", err)
	}
	st, err := os.Stat(abs)
	if err != nil {
		return "", fieldf(flag, "%v", err)
	}
	if !st.IsDir() {
		return "", fieldf(flag, "%s is not a directory", name)
	}
	return abs, nil
}

// volume reads SRC:DST[:ro].
func volume(v string) (specs.Mount, error) {
	parts := strings.Split(v, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return specs.Mount{}, fieldf("--volume", "%q is not SRC:DST[:ro]", v)
	}
	m := specs.Mount{Type: "bind", Options: []string{"rbind", "rw"}}
	if len(parts) == 3 {
		if parts[2] != "ro" && parts[2] != "rw" {
			return m, fieldf("--volume", "%q: the option is ro or rw, not %q", v, parts[2])
		}
		m.Options[1] = parts[2]
	}
	if !filepath.IsAbs(parts[1]) {
		return m, fieldf("--volume", "%q: %s is not an absolute path", v, parts[1])
	}
	m.Destination = filepath.Clean(parts[1])
	abs, err := filepath.Abs(parts[0])
	if err == nil {
		m.Source, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return m, fieldf("--volume", "%v", err)
	}
	return m, nil
}

// environment is the caller's with d.Env on top.
func (d *Do) environment() []string {
	env := os.Environ()
	for _, e := range d.Env {
		name, _, set := strings.Cut(e, "=")
		if !set {
			v, ok := os.LookupEnv(name)
			if !ok {
				continue
			}
			e = name + "=" + v
		}
		kept := env[:0]
		for _, old := range env {
			if !strings.HasPrefix(old, name+"=") {
				kept = append(kept, old)
			}
		}
		env = append(kept, e)
	}
	return env
}

// cwd is where the command starts.
func (d *Do) cwd(root string) (string, error) {
	if d.Cwd != "" {
		if !filepath.IsAbs(d.Cwd) {
			return "", fieldf("--cwd", "%s is not an absolute path", d.Cwd)
		}
		return filepath.Clean(d.Cwd), nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if root == "/" {
		return wd, nil
	}
	if st, err := os.Stat(filepath.Join(root, wd)); err != nil || !st.IsDir() {
		return "/", nil
	}
	return wd, nil
}

// user is who runs the command.
func (d *Do) user(root string) (specs.User, error) {
	if d.User == "" {
		groups, err := os.Getgroups()
		if err != nil {
			return specs.User{}, fmt.Errorf("getgroups: %w", err)
		}
		u := specs.User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
		for _, g := range groups {
			u.AdditionalGids = append(u.AdditionalGids, uint32(g))
		}
		return u, nil
	}
	name, group, hasGroup := strings.Cut(d.User, ":")
	var u specs.User
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		u.UID, u.GID = uint32(n), uint32(n)
		if e, err := lookup(root, "passwd", func(f []string) bool { return len(f) > 3 && f[2] == name }); err == nil {
			u.GID = number(e[3])
		}
	} else {
		e, err := lookup(root, "passwd", func(f []string) bool { return len(f) > 3 && f[0] == name })
		if err != nil {
			return u, fieldf("--user", "%q: %v", d.User, err)
		}
		u.UID, u.GID = number(e[2]), number(e[3])
	}
	if !hasGroup {
		return u, nil
	}
	if n, err := strconv.ParseUint(group, 10, 32); err == nil {
		u.GID = uint32(n)
		return u, nil
	}
	e, err := lookup(root, "group", func(f []string) bool { return len(f) > 2 && f[0] == group })
	if err != nil {
		return u, fieldf("--user", "%q: %v", d.User, err)
	}
	u.GID = number(e[2])
	return u, nil
}

// lookup finds a line of /etc/passwd or /etc/group in root.
func lookup(root, file string, match func(fields []string) bool) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(root, "etc", file))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); match(f) {
			return f, nil
		}
	}
	return nil, user.UnknownUserError("not in /etc/" + file)
}

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return nobody
	}
	return uint32(n)
}

// hostCaps are those that the command would have on the host: all for root.
func hostCaps(u specs.User) *specs.LinuxCapabilities {
	all := control.Capabilities()
	if u.UID != 0 {
		return &specs.LinuxCapabilities{Bounding: all}
	}
	return &specs.LinuxCapabilities{Bounding: all, Permitted: all, Effective: all}
}
