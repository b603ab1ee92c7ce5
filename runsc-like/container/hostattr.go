package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// setOOMScore tells the host's kernel how willingly to kill the sandbox's
// processes when memory is short.
func setOOMScore(adj *int, rootless bool, pids ...int) error {
	if adj == nil {
		return nil
	}
	for _, pid := range pids {
		err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(*adj)), 0)
		switch {
		case err == nil:
		case rootless && errors.Is(err, os.ErrPermission):
			return nil // less than the caller has is root's to give
		case errors.Is(err, unix.EACCES):
			return fieldf("process.oomScoreAdj", "%d is less than the caller has, which needs CAP_SYS_RESOURCE: %v", *adj, err)
		default:
			return fieldf("process.oomScoreAdj", "%v", err)
		}
	}
	return nil
}

// idMaps are the ids that the container's files have on the host: those of its
// user namespace, or without one those of the caller's.
func idMaps(l *specs.Linux) (uids, gids []syscall.SysProcIDMap, err error) {
	if l != nil && len(l.UIDMappings) > 0 {
		return sysMap(l.UIDMappings), sysMap(l.GIDMappings), nil
	}
	if uids, err = idMap("/proc/self/uid_map"); err != nil {
		return nil, nil, err
	}
	gids, err = idMap("/proc/self/gid_map")
	return uids, gids, err
}

func sysMap(list []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	var m []syscall.SysProcIDMap
	for _, e := range list {
		m = append(m, syscall.SysProcIDMap{ContainerID: int(e.ContainerID), HostID: int(e.HostID), Size: int(e.Size)})
	}
	return m
}
