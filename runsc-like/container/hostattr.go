package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"

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
