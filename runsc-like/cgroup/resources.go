package cgroup

import (
	"cmp"
	"maps"
	"slices"

	"github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// overlay writes what r gives over what is in to; rules for devices apart. Every
// field of r is read here or refused by Check, but for three that no kernel that
// hull runs on has: memory.kernel, memory.kernelTCP and memory.useHierarchy.
func overlay(to *cgroups.Resources, r *specs.LinuxResources) {
	if r.Memory != nil {
		overlayMemory(to, r.Memory)
	}
	if r.CPU != nil {
		overlayCPU(to, r.CPU)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		limit := *r.Pids.Limit
		if limit == 0 {
			limit = -1 // 0 meant "none" while the field was not optional, and callers still send it
		}
		to.PidsLimit = &limit
	}
	if r.BlockIO != nil {
		overlayBlockIO(to, r.BlockIO)
	}
	for _, h := range r.HugepageLimits {
		to.HugetlbLimit = replace(to.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit},
			func(a, b *cgroups.HugepageLimit) bool { return a.Pagesize == b.Pagesize })
	}
	if n := r.Network; n != nil {
		set(&to.NetClsClassid, n.ClassID)
		for _, p := range n.Priorities {
			to.NetPrioIfpriomap = replace(to.NetPrioIfpriomap, &cgroups.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)},
				func(a, b *cgroups.IfPrioMap) bool { return a.Interface == b.Interface })
		}
	}
	if len(r.Rdma) != 0 {
		if to.Rdma == nil {
			to.Rdma = map[string]cgroups.LinuxRdma{}
		}
		for name, l := range r.Rdma {
			to.Rdma[name] = cgroups.LinuxRdma{HcaHandles: l.HcaHandles, HcaObjects: l.HcaObjects}
		}
	}
	if len(r.Unified) != 0 {
		if to.Unified == nil {
			to.Unified = map[string]string{}
		}
		maps.Copy(to.Unified, r.Unified)
	}
}

func overlayMemory(to *cgroups.Resources, m *specs.LinuxMemory) {
	set(&to.Memory, m.Limit)
	set(&to.MemoryReservation, m.Reservation)
	set(&to.MemorySwap, m.Swap)
	if m.Limit != nil && *m.Limit == -1 && m.Swap == nil {
		to.MemorySwap = -1 // swap is counted with memory, and cannot be less
	}
	if m.Swappiness != nil {
		n := *m.Swappiness
		to.MemorySwappiness = &n
	}
	set(&to.OomKillDisable, m.DisableOOMKiller)
	set(&to.MemoryCheckBeforeUpdate, m.CheckBeforeUpdate)
}

func overlayCPU(to *cgroups.Resources, c *specs.LinuxCPU) {
	if c.Shares != nil {
		to.CpuShares = *c.Shares
		to.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*c.Shares)
	}
	set(&to.CpuQuota, c.Quota)
	set(&to.CpuPeriod, c.Period)
	set(&to.CpuRtRuntime, c.RealtimeRuntime)
	set(&to.CpuRtPeriod, c.RealtimePeriod)
	to.CpusetCpus = cmp.Or(c.Cpus, to.CpusetCpus)
	to.CpusetMems = cmp.Or(c.Mems, to.CpusetMems)
	if c.Burst != nil {
		n := *c.Burst
		to.CpuBurst = &n
	}
	if c.Idle != nil {
		n := *c.Idle
		to.CPUIdle = &n
	}
}

func overlayBlockIO(to *cgroups.Resources, b *specs.LinuxBlockIO) {
	set(&to.BlkioWeight, b.Weight)
	set(&to.BlkioLeafWeight, b.LeafWeight)
	for _, w := range b.WeightDevice {
		var weight, leaf uint16
		set(&weight, w.Weight)
		set(&leaf, w.LeafWeight)
		to.BlkioWeightDevice = replace(to.BlkioWeightDevice, cgroups.NewWeightDevice(w.Major, w.Minor, weight, leaf),
			func(a, b *cgroups.WeightDevice) bool { return a.BlockIODevice == b.BlockIODevice })
	}
	for _, l := range []struct {
		to   *[]*cgroups.ThrottleDevice
		from []specs.LinuxThrottleDevice
	}{
		{&to.BlkioThrottleReadBpsDevice, b.ThrottleReadBpsDevice},
		{&to.BlkioThrottleWriteBpsDevice, b.ThrottleWriteBpsDevice},
		{&to.BlkioThrottleReadIOPSDevice, b.ThrottleReadIOPSDevice},
		{&to.BlkioThrottleWriteIOPSDevice, b.ThrottleWriteIOPSDevice},
	} {
		for _, d := range l.from {
			*l.to = replace(*l.to, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate),
				func(a, b *cgroups.ThrottleDevice) bool { return a.BlockIODevice == b.BlockIODevice })
		}
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// replace returns list with v instead of the one that is of the same thing, or
// at the end. The list itself stays as it is.
func replace[T any](list []T, v T, same func(a, b T) bool) []T {
	list = slices.Clone(list)
	if i := slices.IndexFunc(list, func(o T) bool { return same(o, v) }); i >= 0 {
		list[i] = v
		return list
	}
	return append(list, v)
}
