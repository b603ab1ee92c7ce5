package container

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/runsc-like/cgroup"
	"hull/runsc-like/jail"
)

// ownership says which ids of the host the owners of a container's files have:
// those that the gofer's user namespace maps.
//
// Root may map all. A user may map the own id by writing the map; ranges that
// subuid(5) and subgid(5) give are mapped by two programs with privileges, once
// the process is there.
type ownership struct {
	uids, gids []syscall.SysProcIDMap
	own        bool // the caller's id alone, as itself: the guest's files are as on the host
	late       bool // mapped by write
}

// Rootless reports whether the caller is not root of the host: an ordinary user, or
// root of a user namespace.
func Rootless() bool { return os.Geteuid() != 0 || cgroup.InUserNamespace() }

// fileIDs are the ids of the container's user namespace, or without one those of
// the caller's.
func fileIDs(l *specs.Linux) (*ownership, error) {
	ids := &ownership{}
	uid, gid := os.Geteuid(), os.Getegid()
	switch {
	case l != nil && len(l.UIDMappings) > 0:
		ids.uids, ids.gids = sysMap(l.UIDMappings), sysMap(l.GIDMappings)
		ids.late = uid != 0 && !(isOnly(ids.uids, uid) && isOnly(ids.gids, gid))
		if uid != 0 && !(hasID(ids.uids, 0) && hasID(ids.gids, 0)) {
			return nil, fieldf("linux.uidMappings", "user and group 0 have to be mapped in a container of an ordinary user")
		}
		return ids, nil
	case uid != 0:
		ids.own = true
		ids.uids = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		ids.gids = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		return ids, nil
	}
	var err error
	if ids.uids, err = idMap("/proc/self/uid_map"); err != nil {
		return nil, err
	}
	ids.gids, err = idMap("/proc/self/gid_map")
	return ids, err
}

// caps returns what the gofer keeps: what it may do to files of its users.
func (ids *ownership) caps() []int {
	if ids.own {
		return nil
	}
	return jail.FileCaps()
}

// write maps the ids of a process that was started without any.
func (ids *ownership) write(pid int) error {
	if !ids.late {
		return writeMaps(pid, ids.uids, ids.gids, os.Geteuid() == 0)
	}
	return errors.Join(mapBy("newuidmap", "linux.uidMappings", pid, ids.uids), mapBy("newgidmap", "linux.gidMappings", pid, ids.gids))
}

// writeMaps maps the ids of a process (user_namespaces(7)), which may set its groups
// or not.
func writeMaps(pid int, uids, gids []syscall.SysProcIDMap, groups bool) error {
	say := "deny"
	if groups {
		say = "allow"
	}
	for _, w := range []struct{ name, text string }{{"uid_map", mapText(uids)}, {"setgroups", say}, {"gid_map", mapText(gids)}} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, w.name), []byte(w.text), 0); err != nil {
			return err
		}
	}
	return nil
}

func mapText(m []syscall.SysProcIDMap) string {
	var b strings.Builder
	for _, e := range m {
		fmt.Fprintln(&b, e.ContainerID, e.HostID, e.Size)
	}
	return b.String()
}

// mapBy has a program of uidmap(1) write a map.
func mapBy(program, field string, pid int, m []syscall.SysProcIDMap) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fieldf(field, "other ids than the caller's own are mapped by %s, which is not there (Debian's package uidmap has it)", program)
	}
	args := []string{strconv.Itoa(pid)}
	for _, e := range m {
		args = append(args, strconv.Itoa(e.ContainerID), strconv.Itoa(e.HostID), strconv.Itoa(e.Size))
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		return fieldf(field, "%s: %v: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func sysMap(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	var m []syscall.SysProcIDMap
	for _, e := range list {
		m = append(m, syscall.SysProcIDMap{ContainerID: int(e.ContainerID), HostID: int(e.HostID), Size: int(e.Size)})
	}
	return m
}

// idMap reads the ids that the caller's own user namespace has, each mapped to
// itself.
func idMap(name string) ([]syscall.SysProcIDMap, error) {
	list, err := readMap(name)
	for i := range list {
		list[i].HostID = list[i].ContainerID
	}
	return sysMap(list), err
}

// readMap reads an id map (user_namespaces(7)).
func readMap(name string) ([]specs.LinuxIDMapping, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m []specs.LinuxIDMapping
	for s := bufio.NewScanner(f); s.Scan(); {
		var e specs.LinuxIDMapping
		if _, err := fmt.Sscan(s.Text(), &e.ContainerID, &e.HostID, &e.Size); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, s.Text(), err)
		}
		m = append(m, e)
	}
	if len(m) == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return m, nil
}

// shownMaps are the id maps that the guest is shown.
func shownMaps(l *specs.Linux) (uids, gids []specs.LinuxIDMapping, err error) {
	if l != nil && len(l.UIDMappings) > 0 {
		return l.UIDMappings, l.GIDMappings, nil
	}
	if uids, err = readMap("/proc/self/uid_map"); err != nil {
		return nil, nil, err
	}
	gids, err = readMap("/proc/self/gid_map")
	return uids, gids, err
}

func hasID(m []syscall.SysProcIDMap, id int) bool {
	return slices.ContainsFunc(m, func(e syscall.SysProcIDMap) bool { return id >= e.ContainerID && id-e.ContainerID < e.Size })
}

// isOnly reports whether m maps nothing but one id of the host.
func isOnly(m []syscall.SysProcIDMap, id int) bool {
	return len(m) == 1 && m[0].HostID == id && m[0].Size == 1
}
