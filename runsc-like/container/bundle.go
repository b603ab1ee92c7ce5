package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/hooks"
	"hull/runsc-like/leanjson"
)

// maxConfig bounds config.json.
const maxConfig = 16 << 20

// LoadBundle reads config.json of an OCI bundle, checks it, and makes its paths
// absolute. An error of the configuration is a *FieldError. Warnings are of what
// is accepted and not done.
func LoadBundle(dir string) (s *specs.Spec, warnings []string, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Join(abs, "config.json")
	b, err := readBounded(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fieldf("--bundle", "%s has no config.json", abs)
	}
	if err != nil {
		return nil, nil, fieldf("--bundle", "%v", err)
	}
	s, warnings, err = ParseConfig(b, abs)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, warnings, nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(b) > maxConfig {
		err = fmt.Errorf("%s has more than %d bytes", name, maxConfig)
	}
	return b, err
}

// ParseConfig is LoadBundle of a configuration whose bundle is at dir.
func ParseConfig(b []byte, dir string) (*specs.Spec, []string, error) {
	c := checker{dir: dir}
	if err := c.decode(b); err != nil {
		return nil, nil, err
	}
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	return &c.s, c.warnings, nil
}

// checker checks a configuration and completes it.
type checker struct {
	s        specs.Spec
	dir      string // of the bundle
	warnings []string
}

func (c *checker) warnf(field, format string, args ...any) {
	c.warnings = append(c.warnings, field+": "+fmt.Sprintf(format, args...))
}

func (c *checker) decode(b []byte) error {
	names, err := leanjson.Decode(b, &c.s)
	if err != nil {
		return jsonError(err)
	}
	if err := c.checkVersion(); err != nil {
		return err
	}
	for _, name := range names {
		if !c.isLater() {
			return fieldf(name, "is no property of version %s of the specification", specs.Version)
		}
		c.warnf(name, "is of a later version of the specification than hull knows")
	}
	return nil
}

// jsonError says where something is wrong.
func jsonError(err error) error {
	var te *json.UnmarshalTypeError
	var se *json.SyntaxError
	switch {
	case errors.As(err, &te) && te.Field != "":
		return fieldf(te.Field, "is a %s, not a %s", te.Value, te.Type)
	case errors.As(err, &te):
		return fmt.Errorf("the configuration is a %s, not an object", te.Value)
	case errors.As(err, &se):
		return fmt.Errorf("byte %d: %w", se.Offset, err)
	}
	return err
}

// idChars are what a container's name consists of.
const idChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"

// CheckID refuses what cannot be a container's name.
func CheckID(id string) error {
	const longest = 1024
	if len(id) > longest {
		return fieldf("ID", "is longer than %d bytes", longest)
	}
	if id == "" || strings.IndexByte(".+-", id[0]) >= 0 || strings.Trim(id, idChars) != "" {
		return fieldf("ID", "%q: only letters, digits, _ + . - are allowed, the first a letter, digit or _", id)
	}
	return nil
}

// check checks all there is.
func (c *checker) check() error {
	for _, f := range []func() error{
		c.checkPlatform, c.checkProcess, c.checkRoot, c.checkNames, c.checkMounts, c.checkHooks, c.checkAnnotations, c.checkLinux,
	} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkVersion() error {
	v := c.s.Version
	if v == "" {
		return fieldf("ociVersion", "is missing")
	}
	if !isVersion(v) {
		return fieldf("ociVersion", "%q is not a version as %s", v, specs.Version)
	}
	if !strings.HasPrefix(v, "1.") {
		return fieldf("ociVersion", "%q: hull knows version 1", v)
	}
	return nil
}

// isVersion reports whether v is three numbers, which more may follow.
func isVersion(v string) bool {
	end := strings.IndexAny(v, "-+")
	if end < 0 {
		end = len(v)
	} else if rest := v[end+1:]; rest == "" || strings.Trim(rest, idChars) != "" || strings.Contains(rest, "_") {
		return false
	}
	numbers := strings.Split(v[:end], ".")
	for _, n := range numbers {
		if n == "" || strings.Trim(n, "0123456789") != "" {
			return false
		}
	}
	return len(numbers) == 3
}

// isLater reports whether the configuration is of a minor version that hull does
// not know.
func (c *checker) isLater() bool {
	var minor int
	_, err := fmt.Sscanf(c.s.Version, "1.%d.", &minor)
	return err == nil && minor > specs.VersionMinor
}

// checkPlatform refuses what is for other systems.
func (c *checker) checkPlatform() error {
	s := &c.s
	for _, p := range []struct {
		name  string
		given bool
	}{
		{"solaris", s.Solaris != nil}, {"windows", s.Windows != nil}, {"vm", s.VM != nil}, {"zos", s.ZOS != nil},
		{"freebsd", s.FreeBSD != nil},
		{"process.commandLine", s.Process != nil && s.Process.CommandLine != ""},
		{"process.user.username", s.Process != nil && s.Process.User.Username != ""},
	} {
		if p.given {
			return fieldf(p.name, "is for another platform than Linux")
		}
	}
	return nil
}

func (c *checker) checkRoot() error {
	r := c.s.Root
	if r == nil || r.Path == "" {
		return fieldf("root.path", "is missing")
	}
	path := r.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.dir, path)
	}
	abs, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fieldf("root.path", "%v", err)
	}
	if st, err := os.Stat(abs); err != nil {
		return fieldf("root.path", "%v", err)
	} else if !st.IsDir() {
		return fieldf("root.path", "%s is not a directory", path)
	}
	// The caller's structure stays as it is.
	c.s.Root = &specs.Root{Path: abs, Readonly: r.Readonly}
	return nil
}

func (c *checker) checkNames() error {
	const longest = 64 // __NEW_UTS_LEN
	for _, n := range []struct{ field, name string }{{"hostname", c.s.Hostname}, {"domainname", c.s.Domainname}} {
		if len(n.name) > longest {
			return fieldf(n.field, "is longer than %d bytes", longest)
		}
		if strings.IndexByte(n.name, 0) >= 0 {
			return fieldf(n.field, "has a zero byte")
		}
	}
	if c.s.Hostname == "" {
		// A new UTS namespace begins with the names of the one that it came from.
		c.s.Hostname, _ = os.Hostname()
	}
	return nil
}

func (c *checker) checkHooks() error {
	return asField(hooks.Check(c.s.Hooks))
}

// asField makes a *FieldError of one of another package that begins with the
// field's name.
func asField(err error) error {
	if err == nil {
		return nil
	}
	field, why, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		return err
	}
	return fieldf(field, "%s", why)
}

func (c *checker) checkAnnotations() error {
	for key := range c.s.Annotations {
		if key == "" {
			return fieldf("annotations", "one has no name")
		}
	}
	return nil
}
