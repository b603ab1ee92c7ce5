package jail

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Label is what security modules of the host's kernel know a process by, from its
// execution on: the name of a profile of AppArmor, a context of SELinux. "" leaves
// it what its creator is.
type Label struct {
	AppArmor, SELinux string
}

// Unconfined is the name of AppArmor for a process without a profile.
const Unconfined = "unconfined"

// NamesPaths reports whether there is a profile of AppArmor, which is about paths.
func (l Label) NamesPaths() bool { return l.AppArmor != "" && l.AppArmor != Unconfined }

// HasAppArmor reports whether the host's kernel has AppArmor at work.
func HasAppArmor() bool { return appArmorAt("/sys/module/apparmor/parameters/enabled") }

func appArmorAt(file string) bool {
	b, err := os.ReadFile(file)
	return err == nil && strings.HasPrefix(string(b), "Y")
}

// HasSELinux reports whether the host's kernel has a policy of SELinux.
func HasSELinux() bool {
	var st unix.Statfs_t
	return unix.Statfs("/sys/fs/selinux", &st) == nil && st.Type == unix.SELINUX_MAGIC
}

// attributes is the directory of what security modules know of the calling thread.
const attributes = "/proc/thread-self/attr"

// label has what is executed next known by the label. dir is that of attributes; the
// next descriptor that the process gets has the number next. A file system of /proc
// has to be there still.
func (p *plan) label(l Label, dir string, next int) error {
	if l.AppArmor != "" {
		file := dir + "/apparmor/exec"
		// Where several modules are at work the other one may be another module's.
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			file = dir + "/exec"
		}
		p.tell(fmt.Sprintf("apply the AppArmor profile %q", l.AppArmor), file, "exec "+l.AppArmor, next)
	}
	if l.SELinux != "" {
		p.tell(fmt.Sprintf("apply the SELinux label %q", l.SELinux), dir+"/exec", l.SELinux, next)
	}
	return p.err
}

// tell adds that text is written to a file.
func (p *plan) tell(what, file, text string, next int) {
	fd := uint64(next)
	p.do(what+": open "+file, unix.SYS_OPENAT, here, p.text(file), unix.O_WRONLY|unix.O_CLOEXEC).needs(next)
	p.do(what, unix.SYS_WRITE, fd, p.text(text), uint64(len(text)))
	p.do(what+": close "+file, unix.SYS_CLOSE, fd)
}
