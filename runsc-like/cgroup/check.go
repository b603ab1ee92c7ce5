package cgroup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Check says what is wrong with r on any host. What only this host's kernel
// refuses, Apply and Update say.
func Check(r *specs.LinuxResources) error {
	for _, f := range []func(*specs.LinuxResources) error{
		checkDevices, checkMemory, checkCPU, checkPids, checkBlockIO, checkHugepages, checkNetwork, checkUnified,
	} {
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

// maxList bounds each list of rules: a host's kernel keeps every entry.
const maxList = 4096

func checkMemory(r *specs.LinuxResources) error {
	m := r.Memory
	if m == nil {
		return nil
	}
	const field = "linux.resources.memory."
	for _, l := range []struct {
		name  string
		value *int64
	}{{"limit", m.Limit}, {"reservation", m.Reservation}, {"swap", m.Swap}} {
		if l.value != nil && *l.value < -1 {
			return fieldf(field+l.name, "%d: bytes, or -1 for no limit", *l.value)
		}
	}
	if m.Swappiness != nil && *m.Swappiness > 100 {
		return fieldf(field+"swappiness", "%d is not 0 to 100", *m.Swappiness)
	}
	if m.Swap != nil && *m.Swap > 0 {
		switch {
		case m.Limit == nil || *m.Limit == 0:
			return nil // an update may leave the limit as it is
		case *m.Limit == -1:
			return fieldf(field+"swap", "is limited, and memory, which it includes, is not")
		case *m.Swap < *m.Limit:
			return fieldf(field+"swap", "%d is less than the limit %d of memory, which it includes", *m.Swap, *m.Limit)
		}
	}
	return nil
}

func checkCPU(r *specs.LinuxResources) error {
	c := r.CPU
	if c == nil {
		return nil
	}
	const field = "linux.resources.cpu."
	if c.Idle != nil && *c.Idle != 0 && *c.Idle != 1 {
		return fieldf(field+"idle", "%d is neither 0 nor 1", *c.Idle)
	}
	if c.Quota != nil && c.Burst != nil && *c.Quota > 0 && *c.Burst > uint64(*c.Quota) {
		return fieldf(field+"burst", "%d is above the quota %d", *c.Burst, *c.Quota)
	}
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime < 0 {
		return fieldf(field+"realtimeRuntime", "%d is negative", *c.RealtimeRuntime)
	}
	for _, l := range []struct{ name, list string }{{"cpus", c.Cpus}, {"mems", c.Mems}} {
		if err := CheckList(l.list); err != nil {
			return fieldf(field+l.name, "%v", err)
		}
	}
	return nil
}

// CheckList checks a list of numbers as "0-3,7"; "" is one.
func CheckList(list string) error {
	if strings.TrimSpace(list) == "" {
		return nil
	}
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.ParseUint(from, 10, 16)
		if err != nil {
			return fmt.Errorf("%q: %q is neither a number nor a range", list, part)
		}
		if !isRange {
			continue
		}
		b, err := strconv.ParseUint(to, 10, 16)
		if err != nil || b < a {
			return fmt.Errorf("%q: %q is neither a number nor a range", list, part)
		}
	}
	return nil
}

// MaxPids is the highest limit of tasks that the host's kernel takes (PID_MAX_LIMIT).
const MaxPids = 1 << 22

func checkPids(r *specs.LinuxResources) error {
	if r.Pids != nil && r.Pids.Limit != nil && (*r.Pids.Limit < -1 || *r.Pids.Limit > MaxPids) {
		return fieldf("linux.resources.pids.limit", "%d: a number up to %d, or -1 for no limit", *r.Pids.Limit, MaxPids)
	}
	return nil
}

func checkBlockIO(r *specs.LinuxResources) error {
	b := r.BlockIO
	if b == nil {
		return nil
	}
	const field = "linux.resources.blockIO."
	weight := func(name string, w *uint16) error {
		if w != nil && *w != 0 && (*w < 10 || *w > 1000) {
			return fieldf(field+name, "%d is not 10 to 1000", *w)
		}
		return nil
	}
	if err := weight("weight", b.Weight); err != nil {
		return err
	}
	if err := weight("leafWeight", b.LeafWeight); err != nil {
		return err
	}
	for i, d := range b.WeightDevice {
		name := fmt.Sprintf("weightDevice[%d]", i)
		if err := weight(name+".weight", d.Weight); err != nil {
			return err
		}
		if err := weight(name+".leafWeight", d.LeafWeight); err != nil {
			return err
		}
		if d.Major < 0 || d.Minor < 0 {
			return fieldf(field+name, "%d:%d is no device", d.Major, d.Minor)
		}
	}
	for _, l := range []struct {
		name string
		list []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", b.ThrottleReadBpsDevice}, {"throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", b.ThrottleReadIOPSDevice}, {"throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range l.list {
			if d.Major < 0 || d.Minor < 0 {
				return fieldf(fmt.Sprintf("%s%s[%d]", field, l.name, i), "%d:%d is no device", d.Major, d.Minor)
			}
		}
		if len(l.list) > maxList {
			return fieldf(field+l.name, "has more than %d entries", maxList)
		}
	}
	if len(b.WeightDevice) > maxList {
		return fieldf(field+"weightDevice", "has more than %d entries", maxList)
	}
	return nil
}

func checkHugepages(r *specs.LinuxResources) error {
	seen := map[string]bool{}
	for i, h := range r.HugepageLimits {
		field := fmt.Sprintf("linux.resources.hugepageLimits[%d].pageSize", i)
		number := strings.TrimRight(h.Pagesize, "KMGB")
		unit := strings.TrimPrefix(h.Pagesize, number)
		if n, err := strconv.ParseUint(number, 10, 32); err != nil || n == 0 || !slices.Contains([]string{"KB", "MB", "GB"}, unit) {
			return fieldf(field, "%q is not a size as 2MB", h.Pagesize)
		}
		if seen[h.Pagesize] {
			return fieldf(field, "%s is given twice", h.Pagesize)
		}
		seen[h.Pagesize] = true
	}
	return nil
}

func checkNetwork(r *specs.LinuxResources) error {
	if r.Network == nil {
		return nil
	}
	for i, p := range r.Network.Priorities {
		field := fmt.Sprintf("linux.resources.network.priorities[%d].name", i)
		if p.Name == "" || len(p.Name) > 15 || strings.ContainsAny(p.Name, "/ \n\x00") {
			return fieldf(field, "%q is not the name of an interface", p.Name)
		}
	}
	return nil
}

func checkUnified(r *specs.LinuxResources) error {
	for _, key := range slices.Sorted(maps.Keys(r.Unified)) {
		controller, name, ok := strings.Cut(key, ".")
		if !ok || controller == "" || name == "" || strings.ContainsAny(key, "/\x00") {
			return fieldf(fmt.Sprintf("linux.resources.unified[%q]", key), "is not CONTROLLER.NAME, a file of a cgroup")
		}
		// These would take the processes out of the container's hands.
		switch key {
		case "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.type", "cgroup.kill", "cgroup.freeze":
			return fieldf(fmt.Sprintf("linux.resources.unified[%q]", key), "is the runtime's own to write")
		}
	}
	return nil
}
