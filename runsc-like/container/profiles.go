package container

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/leanjson"
	"hull/runsc-like/profile"
)

// profiles is a directory of compiled seccomp profiles. To compile that of docker
// takes longer than all else of a container's start, and most containers have the
// same. A directory that somebody else could have written to is not used; nor is one
// needed.
type profiles struct{ dir string }

// maxProfiles is how many are kept.
const maxProfiles = 64

// maxProgram bounds a file of the directory, in bytes.
const maxProgram = 1 << 20

// compiledProfiles is where those of the caller are: beside DefaultRoot.
func compiledProfiles() profiles { return profiles{DefaultRoot() + "-profiles"} }

// compile is profile.Compile.
func (d profiles) compile(p *specs.LinuxSeccomp) (*profile.Program, error) {
	name, err := d.name(p)
	if err == nil {
		if f := d.load(name); f != nil {
			return f, nil
		}
	}
	f, cerr := profile.Compile(p)
	if cerr != nil {
		return nil, cerr
	}
	if err == nil {
		d.store(name, f) // one that cannot be kept is compiled again
	}
	return f, nil
}

// has reports whether a profile was compiled before, and so is one.
func (d profiles) has(p *specs.LinuxSeccomp) bool {
	name, err := d.name(p)
	return err == nil && d.load(name) != nil
}

// name is the file of a profile: that of another build of hull has another name.
func (d profiles) name(p *specs.LinuxSeccomp) (string, error) {
	var self unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &self); err != nil {
		return "", err
	}
	text, err := leanjson.Marshal(p)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, self.Dev, self.Ino, self.Size, self.Mtim.Sec, self.Mtim.Nsec, self.Ctim.Sec, self.Ctim.Nsec)
	h.Write(text)
	return filepath.Join(d.dir, hex.EncodeToString(h.Sum(nil))), nil
}

// own reports whether the directory is the caller's, and nobody else's to write to.
func (d profiles) own() bool {
	var st unix.Stat_t
	err := unix.Lstat(d.dir, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o077 == 0 && int(st.Uid) == os.Geteuid()
}

// load returns what is in a file; nil if there is none, or none that can be used.
func (d profiles) load(name string) *profile.Program {
	if !d.own() {
		return nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxProgram))
	f := &profile.Program{}
	if err != nil || leanjson.Unmarshal(b, f) != nil || len(f.Code) == 0 {
		return nil
	}
	return f
}

// store keeps a program, in place of all others if they are many.
func (d profiles) store(name string, f *profile.Program) {
	_ = os.Mkdir(d.dir, 0o700) // it is there in most cases
	if !d.own() {
		return
	}
	if entries, err := os.ReadDir(d.dir); err != nil || len(entries) >= maxProfiles {
		for _, e := range entries {
			_ = os.Remove(filepath.Join(d.dir, e.Name())) // somebody else may do the same
		}
	}
	if b, err := leanjson.Marshal(f); err == nil && len(b) < maxProgram {
		_ = writeFile(name, b, 0o600) // see compile
	}
}
