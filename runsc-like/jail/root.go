package jail

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stage is where the new root is put together: a place that surely exists, for
// /proc/self/exe was just opened.
const stage = "/proc"

// layRoots puts the new root together: what is at roots, and nothing else. The next
// descriptor that the process gets has the number next.
func (p *plan) layRoots(roots []Root, next int) error {
	p.do("make mounts private", unix.SYS_MOUNT, 0, p.text("/"), 0, unix.MS_REC|unix.MS_PRIVATE, 0)
	trees := make([]int, len(roots))
	for i, r := range roots {
		if r.Tree != 0 {
			trees[i] = r.Tree
			continue
		}
		p.do("open_tree "+r.Path, unix.SYS_OPEN_TREE, here, p.text(r.Path), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE).needs(next)
		trees[i], next = next, next+1
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	tmpfs := p.text("tmpfs")
	p.do("mount tmpfs", unix.SYS_MOUNT, tmpfs, p.text(stage), tmpfs, flags, p.text("size=64k,mode=755"))
	for i, r := range roots {
		if err := p.attach(trees[i], stage+RootPath(i), r); err != nil {
			return fmt.Errorf("mount %s for the gofer: %w", r.Path, err)
		}
	}
	return nil
}

// here is AT_FDCWD as an argument.
const here = ^uint64(99)

// attach puts a detached tree at a new place.
func (p *plan) attach(tree int, at string, r Root) error {
	what, name := "mount "+r.Path+" for the gofer", p.text(at)
	st, err := os.Stat(r.Path)
	if err != nil {
		return err
	}
	p.files = append(p.files, !st.IsDir())
	if st.IsDir() {
		p.do(what+": mkdir", unix.SYS_MKDIRAT, here, name, 0o555)
	} else {
		p.do(what+": mknod", unix.SYS_MKNODAT, here, name, unix.S_IFREG|0o444, 0)
	}
	// What is mounted in it here is not mounted in what it is a copy of.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_PRIVATE}
	if r.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	empty := p.text("")
	p.do(what+": mount_setattr", unix.SYS_MOUNT_SETATTR, uint64(tree), empty, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE,
		p.bytes(bytesOf(&attr)), uint64(unsafe.Sizeof(attr)))
	p.do(what+": move_mount", unix.SYS_MOVE_MOUNT, uint64(tree), empty, here, name, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if r.Tree == 0 { // else its number stays taken: those that come next are known
		p.do(what+": close", unix.SYS_CLOSE, uint64(tree))
	}
	return nil
}

// kernelFS reports whether a file system is a window into the host's kernel
// rather than files: a gofer has no business there. The guest has its own.
func kernelFS(fstype string) bool {
	switch fstype {
	case "proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "securityfs", "debugfs", "tracefs",
		"bpf", "pstore", "configfs", "efivarfs", "binfmt_misc", "fusectl", "rpc_pipefs", "nsfs", "selinuxfs":
		return true
	}
	return false
}

// coverKernelMounts puts an empty directory over each kernel file system that
// came along beneath a root. (They cannot be unmounted: what a more privileged
// namespace mounted together stays together.) A mount of a single file of one is left
// as it is: an empty directory cannot cover it.
func (p *plan) coverKernelMounts(mountinfo io.Reader) error {
	points, err := kernelMounts(mountinfo)
	if err != nil {
		return fmt.Errorf("read mountinfo: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY
	var covered []string
	tmpfs, options := p.text("tmpfs"), p.text("size=4k,mode=555")
	for _, at := range points {
		if under(at, covered) {
			continue
		}
		// What another mount hides is not there, and what cannot be reached now the
		// gofer will not reach.
		p.do("cover "+strings.TrimPrefix(at, stage), unix.SYS_MOUNT, tmpfs, p.text(at), tmpfs, flags, options).but(unix.ENOTDIR, unix.ENOENT, unix.EACCES)
		covered = append(covered, at)
	}
	return nil
}

func under(p string, dirs []string) bool {
	for _, d := range dirs {
		if p == d || strings.HasPrefix(p, d+"/") {
			return true
		}
	}
	return false
}

// kernelMounts reads where below stage kernel file systems are mounted,
// parents before children (the order of mountinfo).
func kernelMounts(mountinfo io.Reader) ([]string, error) {
	var points []string
	s := bufio.NewScanner(mountinfo)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		// 36 35 98:0 /root /point options… - type source superoptions
		head, tail, ok := bytes.Cut(s.Bytes(), []byte(" - "))
		h, t := strings.Fields(string(head)), strings.Fields(string(tail))
		if !ok || len(h) < 5 || len(t) < 1 {
			continue
		}
		point := unescape(h[4])
		if !kernelFS(t[0]) || !strings.HasPrefix(path.Dir(point)+"/", stage+"/") || point == stage {
			continue
		}
		points = append(points, point)
	}
	return points, s.Err()
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// pivot makes dir, a mount point, the root of everything, read-only.
func (p *plan) pivot(dir string) {
	dot, slash := p.text("."), p.text("/")
	p.do("chdir to the new root", unix.SYS_CHDIR, p.text(dir))
	// The old root ends up on top of the new one, from where it is taken off.
	p.do("pivot_root", unix.SYS_PIVOT_ROOT, dot, dot)
	p.do("unmount the host's root", unix.SYS_UMOUNT2, dot, unix.MNT_DETACH)
	p.do("chdir /", unix.SYS_CHDIR, slash)
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	p.do("make the new root read-only", unix.SYS_MOUNT, 0, slash, 0, flags, 0)
}
