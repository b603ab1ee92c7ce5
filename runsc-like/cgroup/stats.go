package cgroup

import (
	"fmt"

	"github.com/opencontainers/cgroups"
)

// Stats is what "events --stats" prints of a container, by runc's names.
type Stats struct {
	CPU     CPU                `json:"cpu"`
	CPUSet  CPUSet             `json:"cpuset"`
	Memory  Memory             `json:"memory"`
	Pids    Pids               `json:"pids"`
	Blkio   Blkio              `json:"blkio"`
	Hugetlb map[string]Hugetlb `json:"hugetlb"`
	// IntelRdt is empty: such groups are refused.
	IntelRdt struct{} `json:"intel_rdt"`
	// NetworkInterfaces are those of the container, which the caller fills in.
	NetworkInterfaces []NetworkInterface `json:"network_interfaces"`
}

// CPU is time in nanoseconds.
type CPU struct {
	Usage      CPUUsage          `json:"usage"`
	Throttling Throttling        `json:"throttling"`
	PSI        *cgroups.PSIStats `json:"psi,omitempty"`
}

// CPUUsage is the time that was used, in all and by CPU.
type CPUUsage struct {
	Total        uint64   `json:"total,omitempty"`
	Percpu       []uint64 `json:"percpu,omitempty"`
	PercpuKernel []uint64 `json:"percpu_kernel,omitempty"`
	PercpuUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

// Throttling is how often the quota was used up.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// CPUSet says where the processes may run.
type CPUSet struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// Memory is in bytes.
type Memory struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryUsage       `json:"usage"`
	Swap      MemoryUsage       `json:"swap"`
	Kernel    MemoryUsage       `json:"kernel"`
	KernelTCP MemoryUsage       `json:"kernelTCP"`
	Raw       map[string]uint64 `json:"raw,omitempty"`
	PSI       *cgroups.PSIStats `json:"psi,omitempty"`
}

// MemoryUsage is one account of memory.
type MemoryUsage struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// Pids is how many tasks there are, and how many there may be: 0 is no limit.
type Pids struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// Blkio is what was read and written, by device.
type Blkio struct {
	IoServiceBytesRecursive []BlkioEntry      `json:"ioServiceBytesRecursive,omitempty"`
	IoServicedRecursive     []BlkioEntry      `json:"ioServicedRecursive,omitempty"`
	IoQueuedRecursive       []BlkioEntry      `json:"ioQueueRecursive,omitempty"`
	IoServiceTimeRecursive  []BlkioEntry      `json:"ioServiceTimeRecursive,omitempty"`
	IoWaitTimeRecursive     []BlkioEntry      `json:"ioWaitTimeRecursive,omitempty"`
	IoMergedRecursive       []BlkioEntry      `json:"ioMergedRecursive,omitempty"`
	IoTimeRecursive         []BlkioEntry      `json:"ioTimeRecursive,omitempty"`
	SectorsRecursive        []BlkioEntry      `json:"sectorsRecursive,omitempty"`
	PSI                     *cgroups.PSIStats `json:"psi,omitempty"`
}

// BlkioEntry is one number of one device.
type BlkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// Hugetlb is what is used of one size of huge pages.
type Hugetlb struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// NetworkInterface is what one interface sent and received. It has no tags, as
// in runc's output.
type NetworkInterface struct {
	Name      string
	RxBytes   uint64
	RxPackets uint64
	RxErrors  uint64
	RxDropped uint64
	TxBytes   uint64
	TxPackets uint64
	TxErrors  uint64
	TxDropped uint64
}

// Stats reads the counters. A cgroup that a rootless container was refused has
// none.
func (m *Manager) Stats() (*Stats, error) {
	s, err := m.lib.GetStats()
	if err != nil {
		return nil, fmt.Errorf("cgroup: read the counters: %w", err)
	}
	out := &Stats{
		CPU: CPU{
			Usage: CPUUsage{
				Total: s.CpuStats.CpuUsage.TotalUsage, Percpu: s.CpuStats.CpuUsage.PercpuUsage,
				PercpuKernel: s.CpuStats.CpuUsage.PercpuUsageInKernelmode, PercpuUser: s.CpuStats.CpuUsage.PercpuUsageInUsermode,
				Kernel: s.CpuStats.CpuUsage.UsageInKernelmode, User: s.CpuStats.CpuUsage.UsageInUsermode,
			},
			Throttling: Throttling(s.CpuStats.ThrottlingData),
			PSI:        s.CpuStats.PSI,
		},
		CPUSet: CPUSet(s.CPUSetStats),
		Memory: Memory{
			Cache: s.MemoryStats.Cache, Usage: usage(s.MemoryStats.Usage), Swap: usage(s.MemoryStats.SwapUsage),
			Kernel: usage(s.MemoryStats.KernelUsage), KernelTCP: usage(s.MemoryStats.KernelTCPUsage),
			Raw: s.MemoryStats.Stats, PSI: s.MemoryStats.PSI,
		},
		Pids:    Pids(s.PidsStats),
		Hugetlb: map[string]Hugetlb{},
		Blkio: Blkio{
			IoServiceBytesRecursive: entries(s.BlkioStats.IoServiceBytesRecursive),
			IoServicedRecursive:     entries(s.BlkioStats.IoServicedRecursive),
			IoQueuedRecursive:       entries(s.BlkioStats.IoQueuedRecursive),
			IoServiceTimeRecursive:  entries(s.BlkioStats.IoServiceTimeRecursive),
			IoWaitTimeRecursive:     entries(s.BlkioStats.IoWaitTimeRecursive),
			IoMergedRecursive:       entries(s.BlkioStats.IoMergedRecursive),
			IoTimeRecursive:         entries(s.BlkioStats.IoTimeRecursive),
			SectorsRecursive:        entries(s.BlkioStats.SectorsRecursive),
			PSI:                     s.BlkioStats.PSI,
		},
	}
	for size, h := range s.HugetlbStats {
		out.Hugetlb[size] = Hugetlb{Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.Failcnt}
	}
	return out, nil
}

func usage(d cgroups.MemoryData) MemoryUsage {
	return MemoryUsage{Limit: d.Limit, Usage: d.Usage, Max: d.MaxUsage, Failcnt: d.Failcnt}
}

func entries(list []cgroups.BlkioStatEntry) []BlkioEntry {
	var out []BlkioEntry
	for _, e := range list {
		out = append(out, BlkioEntry(e))
	}
	return out
}
