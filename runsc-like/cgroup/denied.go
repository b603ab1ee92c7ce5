package cgroup

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// purpose is what was tried on a cgroup.
type purpose int

const (
	moving purpose = iota // make it, move processes, remove it
	limiting
	freezing
	killing
)

// explain names the operation that failed, and the capability that the caller
// lacks for it, if that may be why.
func explain(what string, err error, p purpose) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", what, err)
	if !denied(err) {
		return err
	}
	caps, capErr := effective()
	if capErr != nil {
		return err
	}
	if lacks := lacking(caps, p); len(lacks) > 0 {
		return fmt.Errorf("%w (the caller lacks %s)", err, strings.Join(lacks, ", "))
	}
	if InUserNamespace() {
		return fmt.Errorf("%w (in a user namespace, only cgroups that were delegated to it can be used)", err)
	}
	return err
}

func denied(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

// needs lists what the host's kernel asks for, apart from the owner of the files.
func needs(p purpose) []int {
	switch p {
	case limiting:
		// Device rules, by bpf(2) on v2; realtime shares.
		return []int{unix.CAP_DAC_OVERRIDE, unix.CAP_SYS_ADMIN, unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_SYS_RESOURCE}
	case freezing:
		return []int{unix.CAP_DAC_OVERRIDE}
	case killing:
		return []int{unix.CAP_KILL}
	}
	return []int{unix.CAP_DAC_OVERRIDE, unix.CAP_SYS_NICE, unix.CAP_SYS_ADMIN}
}

func lacking(effective uint64, p purpose) []string {
	names := map[int]string{
		unix.CAP_DAC_OVERRIDE: "CAP_DAC_OVERRIDE", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN", unix.CAP_BPF: "CAP_BPF",
		unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_SYS_RESOURCE: "CAP_SYS_RESOURCE", unix.CAP_KILL: "CAP_KILL",
		unix.CAP_SYS_NICE: "CAP_SYS_NICE",
	}
	var list []string
	for _, c := range needs(p) {
		if effective&(1<<c) == 0 {
			list = append(list, names[c])
		}
	}
	return list
}

// effective returns the caller's effective capabilities.
func effective() (uint64, error) {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(d[1].Effective)<<32 | uint64(d[0].Effective), nil
}

// InUserNamespace reports whether the caller's user namespace is not the first
// one, whose map is one line with all ids.
func InUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	f := strings.Fields(string(b))
	return len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295"
}
