package jail

import "golang.org/x/sys/unix"

// layView puts a detached tree on top of the process's root, where it is: who enters
// the mount namespace by setns(2) gets what is on top as his root. A process that
// has files in its root keeps it; another one gets an empty one that is
// mounted nowhere, from which there is no way to the view.
func (p *plan) layView(tree int, keep bool) {
	slash := p.text("/")
	p.do("view: move_mount", unix.SYS_MOVE_MOUNT, uint64(tree), p.text(""), here, slash, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if keep {
		return
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY
	tmpfs, dot := p.text("tmpfs"), p.text(".")
	p.do("view: mount an empty root", unix.SYS_MOUNT, tmpfs, slash, tmpfs, flags, p.text("size=4k,mode=555"))
	// From a root one comes to what is mounted on it by way of its parent, which is itself.
	p.do("view: chdir", unix.SYS_CHDIR, p.text("/.."))
	p.do("view: chroot", unix.SYS_CHROOT, dot)
	p.do("view: detach the root", unix.SYS_UMOUNT2, dot, unix.MNT_DETACH)
}
