package arch

import (
	"strings"
	"sync"
)

// CPU is what /proc/cpuinfo says of the processor.
type CPU struct {
	Vendor, Name            string
	Family, Model, Stepping uint32
	Level                   uint32 // the highest standard CPUID leaf
	MHz                     float64
	CacheLine               uint32 // bytes
	PhysBits, VirtBits      uint32
	Flags                   string
}

// HWCap is AT_HWCAP: the EDX of CPUID leaf 1.
func HWCap() uint32 { return features().hwcap }

// HWCap2 is AT_HWCAP2: bit 1 says that FSGSBASE instructions work.
func HWCap2() uint32 {
	const fsgsbase = 1 << 1
	if features().fsgsbase {
		return fsgsbase
	}
	return 0
}

type cpuFeatures struct {
	hwcap    uint32
	fsgsbase bool
}

// features asks the processor once.
var features = sync.OnceValue(func() cpuFeatures {
	_, _, _, edx := cpuid(1, 0)
	_, ebx, _, _ := cpuid(7, 0)
	return cpuFeatures{hwcap: edx, fsgsbase: ebx&1 != 0}
})

// Identify returns what the processor says of itself, as it does to the guest.
func Identify() CPU { return identify() }

var identify = sync.OnceValue(func() CPU {
	var c CPU
	level, b, cx, d := cpuid(0, 0)
	c.Level = level
	c.Vendor = words(b, d, cx)
	eax, ebx, ecx, edx := cpuid(1, 0)
	c.Stepping = eax & 0xf
	c.Model, c.Family = eax>>4&0xf, eax>>8&0xf
	if c.Family == 0xf {
		c.Family += eax >> 20 & 0xff
	}
	if c.Family >= 6 {
		c.Model |= eax >> 16 & 0xf << 4
	}
	c.CacheLine = ebx >> 8 & 0xff * 8
	if top, _, _, _ := cpuid(0x80000000, 0); top >= 0x80000008 {
		for leaf := uint32(0x80000002); leaf <= 0x80000004; leaf++ {
			a, b, cx, d := cpuid(leaf, 0)
			c.Name += words(a, b, cx, d)
		}
		bits, _, _, _ := cpuid(0x80000008, 0)
		c.PhysBits, c.VirtBits = bits&0xff, bits>>8&0xff
	}
	c.Name = strings.TrimSpace(strings.Trim(c.Name, "\x00"))
	if level >= 0x16 {
		mhz, _, _, _ := cpuid(0x16, 0)
		c.MHz = float64(mhz)
	}
	_, ebx7, ecx7, edx7 := cpuid(7, 0)
	_, _, ecxE, edxE := cpuid(0x80000001, 0)
	c.Flags = flagNames(edx, edxE, ecx, ecxE, ebx7, ecx7, edx7)
	return c
})

// words is the text that registers hold.
func words(rs ...uint32) string {
	var b []byte
	for _, r := range rs {
		b = append(b, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	return string(b)
}

// flagNames names the bits of CPUID as Linux does (cpufeatures.h); "-" is a bit
// without a name there.
func flagNames(regs ...uint32) string {
	tables := []string{
		"fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe",
		"- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow",
		"pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave osxsave avx f16c rdrand hypervisor",
		"lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx - -",
		"fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl",
		"- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd - -",
		"- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - tsxldtrk - - - - - amx_bf16 avx512_fp16 amx_tile amx_int8 - - flush_l1d arch_capabilities - -",
	}
	var names []string
	for i, t := range tables {
		for bit, n := range strings.Fields(t) {
			if n != "-" && n != "osxsave" && regs[i]&(1<<bit) != 0 {
				names = append(names, n)
			}
		}
	}
	return strings.Join(names, " ")
}
