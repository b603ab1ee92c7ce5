package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// CheckState refuses a state that is damaged: what is in its directories will be
// killed, and they be removed.
func CheckState(s State) error {
	if s.Config == nil {
		return errors.New("cgroup: the state has no configuration")
	}
	own, err := ownName(s.Config)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.Paths)) {
		dir := s.Paths[name]
		bad := func(why string) error { return fmt.Errorf("cgroup: the state's path %q: %s", dir, why) }
		switch {
		case dir == "":
			continue
		case !filepath.IsAbs(dir) || filepath.Clean(dir) != dir:
			return bad("is not an absolute path")
		case !strings.HasSuffix(dir, own):
			return bad("is not that of " + own)
		}
		st, err := os.Lstat(dir)
		if err != nil {
			continue // it is not made yet, or gone
		}
		if !isCgroup(dir, unix.CGROUP_SUPER_MAGIC) && !isCgroup(dir, unix.CGROUP2_SUPER_MAGIC) {
			if _, err := os.Lstat(dir); err != nil {
				continue // meanwhile
			}
			return bad("is not in a cgroup file system")
		}
		above, err := os.Lstat(filepath.Dir(dir))
		if err != nil {
			return bad(err.Error())
		}
		if deviceOf(st) != deviceOf(above) {
			return bad("is the root of a hierarchy")
		}
	}
	return nil
}

// ownName is what the paths of the container's cgroup end with.
func ownName(c *cgroups.Cgroup) (string, error) {
	name := c.Name
	switch {
	case c.Systemd && strings.HasSuffix(name, ".slice"):
	case c.Systemd && name != "":
		name = c.ScopePrefix + "-" + name + ".scope"
	case !c.Systemd && c.Path != "":
		name = filepath.Clean("/" + c.Path)
	}
	if name = strings.Trim(name, "/"); name == "" || name == "." || name == ".." {
		return "", fmt.Errorf("cgroup: the state has no name of a cgroup")
	}
	return "/" + name, nil
}

func deviceOf(st os.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return s.Dev
	}
	return 0
}
