package clock

import "math/bits"

// rdtsc reads the time stamp counter, after all that came before.
func rdtsc() uint64

func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// invariantTSC reports whether the counter ticks at one rate whatever the
// processor does (Intel SDM, vol. 3, "Invariant TSC").
func invariantTSC() bool {
	const extended, power, invariant = 0x80000000, 0x80000007, 1 << 8
	if top, _, _, _ := cpuid(extended, 0); top < power {
		return false
	}
	_, _, _, edx := cpuid(power, 0)
	return edx&invariant != 0
}

// mulShift is a*b>>32 without overflow in between.
func mulShift(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi<<32 | lo>>32
}

// mulDiv is a*b/c; the result must fit.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	q, _ := bits.Div64(hi, lo, c)
	return q
}
