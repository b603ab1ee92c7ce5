package proc

import (
	"bytes"
	"fmt"

	"hull/sentry/arch"
	"hull/sentry/current"
)

type cpuinfo struct{ fs *FS }

// Content implements pseudo.Content: the host's processor, as CPUID tells it to
// the guest anyway, as many times as the guest has processors.
func (c cpuinfo) Content(_ current.Task, w *bytes.Buffer) error {
	id := arch.Identify()
	n := c.fs.k.CPUs()
	for i := range n {
		fmt.Fprintf(w, "processor\t: %d\nvendor_id\t: %s\ncpu family\t: %d\nmodel\t\t: %d\nmodel name\t: %s\nstepping\t: %d\n",
			i, id.Vendor, id.Family, id.Model, id.Name, id.Stepping)
		fmt.Fprintf(w, "cpu MHz\t\t: %.3f\nphysical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\napicid\t\t: %d\ninitial apicid\t: %d\n",
			id.MHz, n, i, n, i, i)
		fmt.Fprintf(w, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %d\nwp\t\t: yes\nflags\t\t: %s\nbugs\t\t:\n", id.Level, id.Flags)
		fmt.Fprintf(w, "bogomips\t: %.2f\nclflush size\t: %d\ncache_alignment\t: %d\naddress sizes\t: %d bits physical, %d bits virtual\npower management:\n\n",
			2*id.MHz, id.CacheLine, id.CacheLine, id.PhysBits, id.VirtBits)
	}
	return nil
}
