package jail

import (
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A profile of AppArmor is about paths, which the host's kernel finds out from where
// in the process's namespace a file's mount is. So each root of a process that has a
// profile is where the guest has it:
//
//	/         a tmpfs: the process's own root, with nothing but the roots' first places
//	└ /       on top of it, out of the process's reach: another, with a place for each root
//	  ├ /data, /etc/hosts … the roots that are not the guest's own
//	  └ /     on top again: the guest's root
//
// What is on top of a root, or below something that is, no path leads to: the process
// is given descriptors. That keeps apart what the guest's kernel has apart: no walk
// through one root ends in another.

// rootFDs is how many descriptors there are for each root: of itself, and of the
// directory in which a root that is a file is.
const rootFDs = 2

// RootFDs is the first of the descriptors of the roots of a process that has a
// profile, else 0: RootPath leads to them. Files is complete.
func (b *Birth) RootFDs() int {
	if !b.Label.NamesPaths() {
		return 0
	}
	// After the gate, the binary, and the new file system.
	return len(b.Files) + 4
}

// RootFD is the descriptor of root i, and that of the directory in which it is by the
// last component of its place. first is RootFDs.
func RootFD(first, i int) (root, dir int) { return first + rootFDs*i, first + rootFDs*i + 1 }

// Point is a directory, or an empty file, that is made in a root, if nothing is there:
// what a profile allows the guest to do there does not matter for its mount points.
type Point struct {
	Root int
	Path string // from the root on, with no symbolic link: "/data"
	File bool
}

// place moves the roots to where the guest has them, and opens them. The next
// descriptor that the process gets has the number next, and first is RootFDs.
func (p *plan) place(roots []Root, points []Point, next, first int) {
	empty, slash := p.text(""), p.text("/")
	fs, over := uint64(next), uint64(next+1)
	p.do("fsopen tmpfs", unix.SYS_FSOPEN, p.text("tmpfs"), unix.FSOPEN_CLOEXEC).needs(next)
	p.do("fsconfig size", unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, p.text("size"), p.text("64k"), 0)
	p.do("fsconfig mode", unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, p.text("mode"), p.text("755"), 0)
	p.do("fsconfig create", unix.SYS_FSCONFIG, fs, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	p.do("fsmount", unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC).needs(next + 1)
	p.makePlaces(roots, over)
	p.do("mount the places", unix.SYS_MOVE_MOUNT, over, empty, here, slash, unix.MOVE_MOUNT_F_EMPTY_PATH)
	for i, r := range roots {
		what := "open root " + r.Path
		root, dir := RootFD(first, i)
		p.do(what, unix.SYS_OPENAT, here, p.text(RootPath(i)), unix.O_PATH|unix.O_NOFOLLOW).needs(root)
		if r.At == "" || r.At == "/" {
			p.do(what+": /", unix.SYS_OPENAT, here, slash, unix.O_PATH|unix.O_DIRECTORY).needs(dir)
			continue
		}
		p.do(what+": its directory", unix.SYS_OPENAT, over, p.text("."+path.Dir(r.At)), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW).needs(dir)
	}
	p.makePoints(points, first, first+rootFDs*len(roots))
	order := make([]int, 0, len(roots))
	for i, r := range roots {
		if r.At != "" {
			order = append(order, i)
		}
	}
	// What is beneath another one first: afterwards the way there leads into that.
	slices.SortStableFunc(order, func(i, j int) int { return strings.Compare(roots[j].At, roots[i].At) })
	for _, i := range order {
		root, _ := RootFD(first, i)
		flags := uint64(unix.MOVE_MOUNT_F_EMPTY_PATH)
		if roots[i].At == "/" {
			flags |= unix.MOVE_MOUNT_T_EMPTY_PATH
		}
		p.do("put "+roots[i].Path+" at "+roots[i].At, unix.SYS_MOVE_MOUNT, uint64(root), empty, over, p.text(strings.TrimPrefix(roots[i].At, "/")), flags)
	}
}

// makePlaces makes what the roots are mounted at, in the directory of a descriptor.
func (p *plan) makePlaces(roots []Root, at uint64) {
	made := map[string]bool{"/": true}
	var dir func(name string)
	dir = func(name string) {
		if !made[name] {
			made[name] = true
			dir(path.Dir(name))
			p.do("mkdir "+name, unix.SYS_MKDIRAT, at, p.text("."+name), 0o755)
		}
	}
	for i, r := range roots {
		switch {
		case r.At == "" || made[r.At]:
		case p.files[i]:
			dir(path.Dir(r.At))
			made[r.At] = true
			p.do("mknod "+r.At, unix.SYS_MKNODAT, at, p.text("."+r.At), unix.S_IFREG|0o444, 0)
		default:
			dir(r.At)
		}
	}
}

// makePoints makes points in the roots, whose descriptors begin with first. What cannot
// be made in a read-only root is left out: the guest's kernel says what comes of it.
func (p *plan) makePoints(points []Point, first, next int) {
	if len(points) == 0 {
		return
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	p.do("umask", unix.SYS_UMASK, 0)
	for _, pt := range points {
		what, dir := "make the mount point "+pt.Path, uint64(next)
		root, _ := RootFD(first, pt.Root)
		p.do(what+": open its directory", unix.SYS_OPENAT2, uint64(root), p.text("."+path.Dir(pt.Path)), p.bytes(bytesOf(&how)),
			uint64(unsafe.Sizeof(how))).needs(next).but(unix.ENOENT)
		name := p.text(path.Base(pt.Path))
		if pt.File {
			p.do(what, unix.SYS_MKNODAT, dir, name, unix.S_IFREG|0o644, 0).but(unix.EEXIST, unix.EROFS, unix.EBADF)
		} else {
			p.do(what, unix.SYS_MKDIRAT, dir, name, 0o755).but(unix.EEXIST, unix.EROFS, unix.EBADF)
		}
		p.do(what+": close its directory", unix.SYS_CLOSE, dir).but(unix.EBADF)
	}
}
