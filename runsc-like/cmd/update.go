package cmd

import (
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"

	"hull/runsc-like/container"
)

// updateFlags are the limits that update changes. A value that was not given
// stays as it is.
type updateFlags struct {
	resources                                  string
	blkioWeight                                uint16
	cpuPeriod, cpuQuota, cpuShare, cpuRtPeriod string
	cpuRtRuntime, cpuBurst, cpuIdle            string
	cpus, mems                                 string
	memory, reservation, swap                  string
	kernelMemory, kernelMemoryTCP              string
	l3, bandwidth                              string
	pids                                       int64
}

func newUpdate(g *globals) *cobra.Command {
	var f updateFlags
	c := &cobra.Command{
		Use:   "update [flags] ID",
		Short: "Change the limits of a container",
		Example: `  hull update --memory 268435456 --pids-limit 100 web
  echo '{"cpu":{"quota":50000,"period":100000}}' | hull update --resources - web`,
		Args:              exactly("ID"),
		ValidArgsFunction: g.completeID,
		RunE: failing(1, func(c *cobra.Command, args []string) error {
			res, err := f.read(c)
			if err != nil {
				return err
			}
			if f.kernelMemory != "" || f.kernelMemoryTCP != "" {
				g.warn([]string{"--kernel-memory, --kernel-memory-tcp: have no effect: the host's kernel has no such limit any more"})
			}
			return g.containers().Update(args[0], res)
		}),
	}
	fl := c.Flags()
	fl.StringVarP(&f.resources, "resources", "r", "", "read all limits from `FILE`, JSON, or from standard input if it is -")
	fl.Uint16Var(&f.blkioWeight, "blkio-weight", 0, "share of block devices, 10 to 1000")
	fl.StringVar(&f.cpuPeriod, "cpu-period", "", "what the quota is of, in microseconds")
	fl.StringVar(&f.cpuQuota, "cpu-quota", "", "processor time a period, in microseconds")
	fl.StringVar(&f.cpuShare, "cpu-share", "", "share of processors against other containers")
	fl.StringVar(&f.cpuBurst, "cpu-burst", "", "quota that may be saved up, in microseconds")
	fl.StringVar(&f.cpuIdle, "cpu-idle", "", "1 if it runs only when nothing else does")
	fl.StringVar(&f.cpuRtPeriod, "cpu-rt-period", "", "what the real-time quota is of, in microseconds")
	fl.StringVar(&f.cpuRtRuntime, "cpu-rt-runtime", "", "real-time processor time a period, in microseconds")
	fl.StringVar(&f.cpus, "cpuset-cpus", "", "processors to use: 0-3,7")
	fl.StringVar(&f.mems, "cpuset-mems", "", "memory nodes to use")
	fl.StringVar(&f.memory, "memory", "", "limit of memory, in bytes")
	fl.StringVar(&f.reservation, "memory-reservation", "", "memory that is left to it when there is little, in bytes")
	fl.StringVar(&f.swap, "memory-swap", "", "limit of memory and swap together, in bytes; -1 is none")
	fl.StringVar(&f.kernelMemory, "kernel-memory", "", "accepted; no kernel has it any more")
	fl.StringVar(&f.kernelMemoryTCP, "kernel-memory-tcp", "", "accepted; no kernel has it any more")
	fl.StringVar(&f.l3, "l3-cache-schema", "", "refused: no groups of Intel RDT")
	fl.StringVar(&f.bandwidth, "mem-bw-schema", "", "refused: no groups of Intel RDT")
	fl.Int64Var(&f.pids, "pids-limit", 0, "how many tasks the container may have")
	return c
}

// read returns the limits that were given.
func (f *updateFlags) read(c *cobra.Command) (*specs.LinuxResources, error) {
	for _, rdt := range []struct{ flag, value string }{{"--l3-cache-schema", f.l3}, {"--mem-bw-schema", f.bandwidth}} {
		if rdt.value != "" {
			return nil, &container.FieldError{Field: rdt.flag, Why: "hull makes no groups of Intel RDT"}
		}
	}
	if f.resources != "" {
		return f.readFile(c.InOrStdin())
	}
	p := parser{}
	r := &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: f.cpus, Mems: f.mems}, Memory: &specs.LinuxMemory{}}
	r.CPU.Period, r.CPU.Quota, r.CPU.Shares = p.unsigned("--cpu-period", f.cpuPeriod), p.signed("--cpu-quota", f.cpuQuota), p.unsigned("--cpu-share", f.cpuShare)
	r.CPU.RealtimePeriod, r.CPU.RealtimeRuntime = p.unsigned("--cpu-rt-period", f.cpuRtPeriod), p.signed("--cpu-rt-runtime", f.cpuRtRuntime)
	r.CPU.Burst, r.CPU.Idle = p.unsigned("--cpu-burst", f.cpuBurst), p.signed("--cpu-idle", f.cpuIdle)
	r.Memory.Limit, r.Memory.Reservation, r.Memory.Swap = p.bytes("--memory", f.memory), p.bytes("--memory-reservation", f.reservation), p.bytes("--memory-swap", f.swap)
	if f.blkioWeight != 0 {
		r.BlockIO = &specs.LinuxBlockIO{Weight: &f.blkioWeight}
	}
	if c.Flags().Changed("pids-limit") {
		r.Pids = &specs.LinuxPids{Limit: &f.pids}
	}
	return r, p.err
}

func (f *updateFlags) readFile(stdin io.Reader) (*specs.LinuxResources, error) {
	in := stdin
	if f.resources != "-" {
		file, err := os.Open(f.resources)
		if err != nil {
			return nil, &container.FieldError{Field: "--resources", Why: err.Error()}
		}
		defer file.Close()
		in = file
	}
	r, err := container.ReadResources(in)
	if err != nil {
		return nil, &container.FieldError{Field: "--resources", Why: f.resources + ": " + err.Error()}
	}
	return r, nil
}

// parser reads numbers, and keeps the first error.
type parser struct{ err error }

func (p *parser) signed(flag, s string) *int64 {
	if s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		p.fail(flag, s)
	}
	return &n
}

// bytes reads a number with a unit: 512m, 1g, 2GiB, or none.
func (p *parser) bytes(flag, s string) *int64 {
	number := strings.TrimRight(strings.ToLower(s), "ib")
	shift := 0
	if number != "" {
		if i := strings.IndexByte("kmgtp", number[len(number)-1]); i >= 0 {
			number, shift = number[:len(number)-1], 10*(i+1)
		}
	}
	if shift == 0 {
		return p.signed(flag, number)
	}
	// 1.5g is a number of bytes too.
	n, err := strconv.ParseFloat(number, 64)
	n *= float64(int64(1) << shift)
	if err != nil || !(n >= 0 && n < math.MaxInt64) {
		p.fail(flag, s)
		return nil
	}
	b := int64(n)
	return &b
}

func (p *parser) fail(flag, s string) {
	if p.err == nil {
		p.err = &container.FieldError{Field: flag, Why: strconv.Quote(s) + " is no number"}
	}
}

func (p *parser) unsigned(flag, s string) *uint64 {
	if s == "" {
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.fail(flag, s)
	}
	return &n
}
