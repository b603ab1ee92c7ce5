package kernel

import (
	"golang.org/x/sys/unix"

	"hull/sentry/auth"
	"hull/sentry/lock"
	"hull/sentry/socket"
	"hull/sentry/vfs"
)

// UTSNamespace is hostname and domain name, uts_namespaces(7).
type UTSNamespace struct {
	User *auth.UserNamespace // immutable: who may change the names
	id   uint32              // immutable: in /proc/PID/ns

	mu           lock.Mutex[lock.Leaf]
	host, domain string // guarded by mu
}

// Names returns hostname and NIS domain name.
func (u *UTSNamespace) Names() (host, domain string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.host, u.domain
}

// SetHost is sethostname(2) after its checks.
func (u *UTSNamespace) SetHost(s string) {
	u.mu.Lock()
	u.host = s
	u.mu.Unlock()
}

// SetDomain is setdomainname(2) after its checks.
func (u *UTSNamespace) SetDomain(s string) {
	u.mu.Lock()
	u.domain = s
	u.mu.Unlock()
}

func (u *UTSNamespace) clone(k *Kernel) *UTSNamespace {
	h, d := u.Names()
	return &UTSNamespace{User: u.User, id: k.nextNS(), host: h, domain: d}
}

// nextNS returns a number for a new namespace.
func (k *Kernel) nextNS() uint32 { return k.lastNS.Add(1) + 0xf0000000 }

// The namespaces that can be made; the others are refused as by a Linux that
// was built without them.
const (
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	allNamespaces = newNamespaces | unix.CLONE_NEWUSER | unix.CLONE_NEWIPC | unix.CLONE_NEWNET |
		unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME
)

// checkNamespaces refuses what cannot be made, and who may not make it.
func (t *Task) checkNamespaces(flags uint64) error {
	if flags&allNamespaces&^newNamespaces != 0 {
		t.Note("hull has no user, ipc, cgroup or time namespaces for guests")
		return unix.EINVAL
	}
	if flags&newNamespaces != 0 && !t.has.cred.HasCap(unix.CAP_SYS_ADMIN) {
		return unix.EPERM
	}
	return nil
}

// Unshare is unshare(2).
func (t *Task) Unshare(flags uint64) error {
	const known = allNamespaces | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM | unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_VM
	if flags&^known != 0 {
		return unix.EINVAL
	}
	if flags&(unix.CLONE_THREAD|unix.CLONE_SIGHAND|unix.CLONE_VM) != 0 {
		t.k.tasks.Lock()
		alone := len(t.group.tasks) == 1
		t.k.tasks.Unlock()
		if !alone {
			return unix.EINVAL
		}
	}
	if err := t.checkNamespaces(flags); err != nil {
		return err
	}
	if flags&(unix.CLONE_FS|unix.CLONE_NEWNS) != 0 {
		t.setFS(t.has.fs.Fork())
	}
	if flags&unix.CLONE_NEWNS != 0 {
		if err := t.newMountNS(); err != nil {
			return err
		}
	}
	if flags&unix.CLONE_NEWNET != 0 {
		ns, err := t.k.newNetNS(t.has.cred)
		if err != nil {
			return err
		}
		t.setNet(ns)
	}
	if flags&unix.CLONE_FILES != 0 {
		t.setFiles(t.has.files.Fork())
	}
	t.has.Lock()
	defer t.has.Unlock()
	if flags&unix.CLONE_NEWUTS != 0 {
		t.has.uts = t.has.uts.clone(t.k)
	}
	if flags&unix.CLONE_NEWPID != 0 {
		t.has.pidsOfCh = t.k.newPIDNamespace(t.ns)
	}
	return nil
}

func (t *Task) newMountNS() error {
	ns, err := t.has.mnt.Clone(t, t.has.fs)
	if err != nil {
		return err
	}
	t.has.Lock()
	old := t.has.mnt
	t.has.mnt = ns
	t.has.Unlock()
	old.DecRef()
	return nil
}

// setFS replaces root and working directory; the reference is taken over.
func (t *Task) setFS(fs *vfs.Context) {
	t.has.Lock()
	old := t.has.fs
	t.has.fs = fs
	t.has.Unlock()
	if old != nil {
		old.DecRef()
	}
}

// setFiles replaces the descriptor table; the reference is taken over.
func (t *Task) setFiles(f *vfs.FDTable) {
	t.has.Lock()
	old := t.has.files
	t.has.files = f
	t.has.Unlock()
	if old != nil {
		old.DecRef(t)
	}
}

// firstNet is the number of the initial network namespace.
const firstNet = 0xf0000000 - 200

// newNetNS makes a network namespace that the namespace of c's user owns.
func (k *Kernel) newNetNS(c *auth.Cred) (*socket.NetNS, error) {
	ns := socket.NewNetNS(c.UserNS, k.nextNS())
	if k.cfg.Networks == nil {
		return ns, nil
	}
	if err := k.cfg.Networks.Fill(ns); err != nil {
		return nil, err
	}
	return ns, nil
}

// setNet replaces the network namespace; the reference is taken over.
func (t *Task) setNet(ns *socket.NetNS) {
	t.has.Lock()
	old := t.has.net
	t.has.net = ns
	t.has.Unlock()
	if old != nil {
		old.DecRef()
	}
}
