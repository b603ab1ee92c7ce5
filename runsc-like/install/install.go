// Package install makes container managers know hull: it adds a runtime to their
// configuration files, and takes it out again.
//
//	Docker      daemon.json             a member of "runtimes"
//	containerd  config.toml             tables of the CRI plugin, for its own shim
//	podman      containers.conf.d/      a file of its own
//	CRI-O       crio.conf.d/            a file of its own
//
// A Plan is made first: what each file says, and would say. What was there stays
// as it is, byte for byte, comments and order included: a file is edited as
// text, and what is to be written is read again and compared with what was meant
// before it may be. Uninstalling what was installed gives the file that was.
//
// It talks to no manager: each reads its file when it is told to, which Change
// says how.
package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// Manager is a container manager.
type Manager string

// The managers.
const (
	Docker     Manager = "docker"
	Containerd Manager = "containerd"
	Podman     Manager = "podman"
	CRIO       Manager = "crio"
)

// Managers returns all.
func Managers() []Manager { return []Manager{Docker, Containerd, Podman, CRIO} }

// Options is what is to be installed where.
type Options struct {
	Name   string // of the runtime
	Binary string // an absolute path
	// Files are the managers' configuration files; a manager without one is left
	// alone.
	Files map[Manager]string
	// Default makes it the runtime of containers that ask for none.
	Default bool
}

// Change is a file before and after.
type Change struct {
	Manager Manager
	File    string
	Before  []byte // nil if there is no file
	After   []byte // nil if there is to be none
	// Reload says how the manager is told.
	Reload string
	// Notes are what whoever installs should know.
	Notes []string
}

// Changed reports whether there is something to do.
func (c *Change) Changed() bool {
	return (c.Before == nil) != (c.After == nil) || !bytes.Equal(c.Before, c.After)
}

// editor changes the text of a manager's file: nil is no file. It returns notes.
type editor interface {
	install(before []byte, o *Options) (after []byte, notes []string, err error)
	uninstall(before []byte, o *Options) (after []byte, err error)
	reload() string
}

func editorOf(m Manager) editor {
	switch m {
	case Docker:
		return docker{}
	case Containerd:
		return containerd{}
	case Podman:
		return dropIn{text: podmanText, tell: "nothing: podman reads it at each start"}
	case CRIO:
		return dropIn{text: crioText, tell: "systemctl reload crio"}
	}
	return nil
}

// DefaultFiles are where the managers look: root's, or those of a user without
// root's rights, who has no containerd and CRI-O. name is the runtime's.
func DefaultFiles(uid int, home, name string) map[Manager]string {
	if uid == 0 {
		return map[Manager]string{
			Docker: "/etc/docker/daemon.json", Containerd: "/etc/containerd/config.toml",
			Podman: "/etc/containers/containers.conf.d/50-" + name + ".conf", CRIO: "/etc/crio/crio.conf.d/50-" + name + ".conf",
		}
	}
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(home, ".config")
	}
	return map[Manager]string{
		Docker: filepath.Join(dir, "docker/daemon.json"), Podman: filepath.Join(dir, "containers/containers.conf.d/50-"+name+".conf"),
	}
}

// Present reports whether the host has the manager.
func Present(m Manager) bool {
	programs := map[Manager]string{Docker: "dockerd", Containerd: "containerd", Podman: "podman", CRIO: "crio"}
	_, err := exec.LookPath(programs[m])
	return err == nil
}

// Install plans to add the runtime.
func Install(o Options) ([]Change, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	st, err := os.Stat(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("--binary: %w", err)
	}
	if !filepath.IsAbs(o.Binary) || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("--binary: %s is not the absolute path of a program", o.Binary)
	}
	return o.plan(func(e editor, c *Change) (err error) {
		c.After, c.Notes, err = e.install(c.Before, &o)
		return err
	})
}

// Uninstall plans to take the runtime out.
func Uninstall(o Options) ([]Change, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.plan(func(e editor, c *Change) (err error) {
		c.After, err = e.uninstall(c.Before, &o)
		return err
	})
}

func (o *Options) check() error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`).MatchString(o.Name) {
		return fmt.Errorf("--name: %q: letters, digits, _ and - only", o.Name)
	}
	if o.Name == "runc" || o.Name == "crun" {
		return fmt.Errorf("--name: %s is another runtime", o.Name)
	}
	return nil
}

func (o *Options) plan(edit func(editor, *Change) error) ([]Change, error) {
	var plan []Change
	for _, m := range Managers() {
		file, ok := o.Files[m]
		if !ok {
			continue
		}
		e := editorOf(m)
		c := Change{Manager: m, File: file, Reload: e.reload()}
		var err error
		if c.Before, err = read(file); err != nil {
			return nil, err
		}
		if err := edit(e, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		plan = append(plan, c)
	}
	return plan, nil
}

// maxFile bounds a configuration file.
const maxFile = 8 << 20

// read returns nil for a file that is not there.
func read(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a configuration file", name)
	}
	b, err := os.ReadFile(name)
	if b == nil {
		b = []byte{}
	}
	return b, err
}

// Apply makes the changes, each at once. A file that is not as it was when the
// plan was made stays.
func Apply(plan []Change) error {
	for i := range plan {
		c := &plan[i]
		if !c.Changed() {
			continue
		}
		now, err := read(c.File)
		if err != nil {
			return err
		}
		if !bytes.Equal(now, c.Before) || (now == nil) != (c.Before == nil) {
			return fmt.Errorf("%s was changed by somebody else meanwhile", c.File)
		}
		if c.After == nil {
			err = os.Remove(c.File)
		} else {
			err = write(c.File, c.After)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write replaces a file, or makes it; a link is followed, mode and owner stay.
func write(name string, b []byte) (err error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := like(f, name); err != nil {
		f.Close()
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// like gives f mode and owner of a file, if there is one.
func like(f *os.File, name string) error {
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Chmod(0o644)
	}
	if err != nil {
		return err
	}
	if uid, gid, ok := owner(st); ok {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	return f.Chmod(st.Mode().Perm())
}
