package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestAppArmorEnabled(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]bool{"Y\n": true, "N\n": false, "": false} {
		file := filepath.Join(dir, "enabled")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := appArmorAt(file); got != want {
			t.Errorf("%q is %v", text, got)
		}
	}
	if appArmorAt(filepath.Join(dir, "none")) {
		t.Error("a host without the module has it")
	}
}

// The kernel is told what the next execution makes of the process: AppArmor in a
// directory of its own, if there is one, where other modules do not read it.
func TestLabel(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		label Label
		want  map[string]string
		fails string
	}{
		{"stacked", []string{"exec", "apparmor/exec"}, Label{AppArmor: "p", SELinux: "u:r:t:s0:c1,c2"},
			map[string]string{"exec": "u:r:t:s0:c1,c2", "apparmor/exec": "exec p"}, ""},
		{"an old kernel", []string{"exec"}, Label{AppArmor: "p//q"}, map[string]string{"exec": "exec p//q"}, ""},
		{"SELinux alone", []string{"exec"}, Label{SELinux: "u:r:t:s0"}, map[string]string{"exec": "u:r:t:s0"}, ""},
		{"nobody to tell", nil, Label{AppArmor: "p"}, nil, `apply the AppArmor profile "p": open `},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.files {
				name := filepath.Join(dir, f)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, nil, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			b := birth(t)
			b.Label, b.attributes = c.label, dir
			p := b.start(t)
			p.Wait()
			// The binary of a test has an interpreter, which is not in the jail.
			if err := p.Failure(); c.fails == "" && err != nil && !strings.HasPrefix(err.Error(), "execute ") || c.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), c.fails)) {
				t.Errorf("the failure is %v, want %q", err, c.fails)
			}
			for f, want := range c.want {
				if got, err := os.ReadFile(filepath.Join(dir, f)); err != nil || string(got) != want {
					t.Errorf("%s: %q, %v; want %q", f, got, err, want)
				}
			}
		})
	}
}

// The roots of a process that has a profile are where the guest has them, for the
// host's kernel; for who walks they are apart as ever.
func TestPlaces(t *testing.T) {
	for name, given := range map[string]bool{"by path": false, "given a tree and a view": true} {
		t.Run(name, func(t *testing.T) { testPlaces(t, given) })
	}
}

func testPlaces(t *testing.T, given bool) {
	base := t.TempDir()
	for _, d := range []string{"guest/etc", "guest/data", "vol", "deep", "left"} {
		if err := os.MkdirAll(filepath.Join(base, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"guest/data/f", "vol/one", "hosts"} {
		if err := os.WriteFile(filepath.Join(base, f), []byte(f), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	attr := filepath.Join(base, "exec")
	if err := os.WriteFile(attr, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	b := birth(t)
	at := func(name string) string { return filepath.Join(base, name) }
	b.Roots = []Root{
		{Path: at("guest"), At: "/"}, {Path: at("vol"), At: "/data"}, {Path: at("deep"), At: "/data/new/deep"},
		{Path: at("hosts"), At: "/etc/hosts"}, {Path: at("left")},
	}
	tree := func(name string) int {
		fd, err := unix.OpenTree(unix.AT_FDCWD, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), name)
		t.Cleanup(func() { f.Close() })
		b.Files = append(b.Files, f)
		return len(b.Files) - 1
	}
	if given {
		b.Roots[1].Tree, b.View = tree(at("vol")), tree(base)
	}
	b.Label, b.attributes = Label{AppArmor: "p"}, base
	b.Root = true
	b.Map = func(pid int) error {
		for _, m := range []struct{ file, text string }{
			{"setgroups", "deny"}, {"uid_map", fmt.Sprintf("0 %d 1", os.Geteuid())}, {"gid_map", fmt.Sprintf("0 %d 1", os.Getegid())},
		} {
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, m.file), []byte(m.text), 0); err != nil {
				return err
			}
		}
		return nil
	}
	b.Points = []Point{{0, "/new", false}, {0, "/new/x", true}, {1, "/new", false}, {1, "/new/deep", false}, {0, "/none/of/these", false}, {0, "/etc", false}}
	p := b.start(t)
	if _, err := io.ReadFull(p.gate, make([]byte, 1)); err != nil {
		t.Fatal(err, p.Failure())
	}
	l, first := p.plan, b.RootFDs()
	l.pivot(stage)
	if given {
		l.layView(b.View, true)
	}
	l.place(b.Roots, b.Points, p.self+1, first)
	// Instead of being executed it looks around: what is written there its creator reads.
	type found struct {
		what string
		at   uint64
	}
	var all []found
	const size = 64
	for i := range b.Roots {
		root, dir := RootFD(first, i)
		for _, fd := range []int{root, dir} {
			f := found{fmt.Sprintf("descriptor %d", fd-first), l.bytes(make([]byte, size))}
			l.do("fchdir", unix.SYS_FCHDIR, uint64(fd)).but(unix.ENOTDIR) // then it is where it was
			l.do("getcwd", unix.SYS_GETCWD, f.at, size)
			all = append(all, f)
		}
	}
	root, _ := RootFD(first, 0)
	for _, name := range []string{"data/f", "new/x"} {
		l.do("stat "+name, unix.SYS_FACCESSAT, uint64(root), l.text(name), 0)
	}
	l.do("a walk into another root", unix.SYS_FACCESSAT, uint64(root), l.text("data/one"), 0).needs(1).but(unix.ENOENT)
	l.do("exit", unix.SYS_EXIT_GROUP, 0)
	if err := errors.Join(l.err, p.open()); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	if err := p.Failure(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"/", "/", "/data", "/", "/data/new/deep", "/data/new", "/data/new", "/etc", "/4", "/"} {
		from := int(all[i].at - uint64(uintptr(unsafe.Pointer(&l.mem[0]))))
		got, _, _ := strings.Cut(string(l.mem[from:from+size]), "\x00")
		if got != want {
			t.Errorf("%s is of %s, want %s", all[i].what, got, want)
		}
	}
	if st, err := os.Stat(at("vol/new/deep")); err != nil || !st.IsDir() {
		t.Errorf("a mount point in a volume: %v, %v", st, err)
	}
	if text, err := os.ReadFile(attr); err != nil || string(text) != "exec p" {
		t.Errorf("the kernel was told %q, %v", text, err)
	}
}
