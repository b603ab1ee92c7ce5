package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/jail"
)

// Security modules of the host judge calls of the host's kernel. Those that hull
// makes for a guest, on files and (with a network of mode user) on sockets, are made by
// its gofer and its network proxy, so these are what has the container's label. The
// sentry makes none: it has nothing to be kept from, and a profile that was made for
// the guest's program may well keep it from running guest code at all (ptrace) or from
// its own link to the network (packet sockets).

// labelOf returns what security modules are to know a container's servers by.
func labelOf(p *specs.Process) jail.Label {
	l := jail.Label{AppArmor: p.ApparmorProfile, SELinux: p.SelinuxLabel}
	if l.AppArmor == jail.Unconfined && !jail.HasAppArmor() {
		l.AppArmor = ""
	}
	return l
}

// shownLabel is what the container's processes see of it.
func shownLabel(l jail.Label) string {
	if l.SELinux != "" {
		return l.SELinux + "\x00"
	}
	switch l.AppArmor {
	case "":
		return ""
	case jail.Unconfined:
		return jail.Unconfined + "\n"
	}
	// Who may not read it is told what most profiles are.
	b, err := os.ReadFile("/sys/kernel/security/apparmor/profiles")
	if err != nil {
		b = nil
	}
	return modeOf(l.AppArmor, string(b))
}

// modeOf returns a line of a list of profiles: "NAME (enforce)".
func modeOf(profile, list string) string {
	for line := range strings.Lines(list) {
		if mode, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), profile+" ("); ok && strings.HasSuffix(mode, ")") && !strings.Contains(mode, "(") {
			return profile + " (" + mode + "\n"
		}
	}
	return profile + " (enforce)\n"
}

// checkConfinement checks what is for security modules of the host. One that the
// host does not have cannot do what it is to do.
func checkConfinement(p *specs.Process) error {
	const longest = 4096 // what the host's kernel takes at a time
	for _, l := range []struct {
		field, label string
		has          func() bool
		module       string
	}{
		{exApparmor, p.ApparmorProfile, jail.HasAppArmor, "AppArmor"}, {exSELinux, p.SelinuxLabel, jail.HasSELinux, "SELinux"},
	} {
		switch {
		case l.label == "":
		case strings.ContainsAny(l.label, "\x00\n") || len(l.label) >= longest:
			return fieldf(l.field, "%q is no label", l.label)
		case l.label != jail.Unconfined && !l.has():
			return fieldf(l.field, "%q cannot be applied: this host has no %s", l.label, l.module)
		}
	}
	return nil
}

// checkSameLabel checks that a process that is added to a container has the same label
// as that, or asks for none.
func checkSameLabel(own, more *specs.Process) error {
	name := func(s string) string {
		if s == "" {
			return jail.Unconfined
		}
		return s
	}
	switch {
	case more.ApparmorProfile != "" && name(more.ApparmorProfile) != name(own.ApparmorProfile):
		return refuse(exApparmor, exApparmor)
	case more.SelinuxLabel != "" && more.SelinuxLabel != own.SelinuxLabel:
		return refuse(exSELinux, exSELinux)
	}
	return nil
}

// placeRoots says of each root where the guest has it: by the paths there profiles
// of AppArmor judge. Links on the way are those that the root has now. What is to be
// made as mount points is returned, as the guest may not be allowed to.
func placeRoots(s *specs.Spec, roots []jail.Root) ([]jail.Point, error) {
	roots[0].At = "/"
	root, err := os.OpenFile(s.Root.Path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	placed := []placement{{"/", 0}}
	var points []jail.Point
	for _, m := range s.Mounts {
		at, err := within(root, m.Destination)
		if err == nil && at == "/" {
			err = errors.New("is the root")
		}
		if err != nil {
			return nil, fieldf("mounts[].destination", "%q: %v", m.Destination, err)
		}
		file, n := false, guestsOwn
		if m.Type == "bind" {
			n = 1 + slices.IndexFunc(roots[1:], func(r jail.Root) bool { return r.At == "" })
			st, err := os.Stat(m.Source)
			if err != nil {
				return nil, err
			}
			roots[n].At, file = at, !st.IsDir()
		}
		points = append(points, missing(placed, roots, at, file)...)
		placed = append(placed, placement{at, n})
	}
	return points, nil
}

// within returns the path of a name in a root, its symbolic links followed as in there.
func within(root *os.File, name string) (string, error) {
	top, err := openedPath(int(root.Fd()))
	if err != nil {
		return "", err
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for there := name; ; there = path.Dir(there) {
		fd, err := unix.Openat2(int(root.Fd()), there, &how)
		if (err == unix.ENOENT || err == unix.ENOTDIR) && there != "/" {
			continue // what is missing has no links
		}
		if err != nil {
			return "", err
		}
		full, err := openedPath(fd)
		unix.Close(fd)
		return path.Clean("/" + strings.TrimPrefix(full, top) + "/" + strings.TrimPrefix(name, there)), err
	}
}

// openedPath is where the host has what the descriptor is of.
func openedPath(fd int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }

// guestsOwn is the root of a file system that no gofer serves.
const guestsOwn = -1

// placement is what of the host's the guest has somewhere.
type placement struct {
	at   string
	root int
}

// missing returns what is not there of a mount point and the directories above it.
func missing(placed []placement, roots []jail.Root, at string, file bool) (points []jail.Point) {
	below := placed[0]
	for _, p := range placed {
		if (at == p.at || strings.HasPrefix(at, strings.TrimSuffix(p.at, "/")+"/")) && len(p.at) >= len(below.at) {
			below = p
		}
	}
	rel := strings.TrimPrefix(at, below.at)
	if below.root == guestsOwn || rel == "" {
		return nil
	}
	name := ""
	parts := strings.Split(strings.Trim(rel, "/"), "/")
	for i, part := range parts {
		name += "/" + part
		st, err := os.Lstat(roots[below.root].Path + name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			points = append(points, jail.Point{Root: below.root, Path: name, File: file && i == len(parts)-1})
		case err != nil || st.Mode()&os.ModeSymlink != 0:
			return nil // the guest's kernel sees to it
		}
	}
	return points
}
