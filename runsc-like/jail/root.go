package jail

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// stage is where the new root is put together: a place that surely exists, for
// /proc/self/exe was just opened.
const stage = "/proc"

// enterRoot makes a root directory that holds roots and nothing else, enters
// it, and lets go of the host's.
func enterRoot(roots []Root) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	trees := make([]int, len(roots))
	for i, r := range roots {
		if r.Tree != 0 {
			trees[i] = r.Tree
			continue
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, r.Path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return fmt.Errorf("open_tree %s: %w", r.Path, err)
		}
		trees[i] = fd
	}
	mounts, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	defer mounts.Close()
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("tmpfs", stage, "tmpfs", flags, "size=64k,mode=755"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	for i, r := range roots {
		if err := attach(trees[i], stage+RootPath(i), r.ReadOnly); err != nil {
			return fmt.Errorf("mount %s for the gofer: %w", r.Path, err)
		}
	}
	if err := coverKernelMounts(mounts); err != nil {
		return err
	}
	return pivot(stage)
}

// attach puts a detached tree at a new place.
func attach(tree int, at string, readOnly bool) error {
	defer unix.Close(tree)
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := unix.Mkdir(at, 0o555); err != nil {
			return err
		}
	} else {
		fd, err := unix.Open(at, unix.O_CREAT|unix.O_CLOEXEC, 0o444)
		if err != nil {
			return err
		}
		unix.Close(fd)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if readOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	return unix.MoveMount(tree, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
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
// namespace mounted together stays together.)
func coverKernelMounts(mountinfo io.Reader) error {
	points, err := kernelMounts(mountinfo)
	if err != nil {
		return fmt.Errorf("read mountinfo: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_RDONLY
	var covered []string
	for _, p := range points {
		if under(p, covered) {
			continue
		}
		if err := unix.Mount("tmpfs", p, "tmpfs", flags, "size=4k,mode=555"); err != nil {
			return fmt.Errorf("cover %s: %w", strings.TrimPrefix(p, stage), err)
		}
		covered = append(covered, p)
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
// parents before children (the order of mountinfo). A mount of a single file
// of one is left out: an empty directory cannot cover it.
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
		var st unix.Stat_t
		if err := unix.Lstat(point, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			points = append(points, point)
		}
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
func pivot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("chdir to the new root: %w", err)
	}
	// The old root ends up on top of the new one, from where it is taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the host's root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("chdir /: %w", err)
	}
	const flags = unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("", "/", "", flags, ""); err != nil {
		return fmt.Errorf("make the new root read-only: %w", err)
	}
	return nil
}
