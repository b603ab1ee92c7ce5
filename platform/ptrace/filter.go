package ptrace

import (
	"math"

	"golang.org/x/sys/unix"
)

// The two kinds of clone that stubs are asked for. CLONE_PTRACE gives the new
// thread to the tracer of its maker.
const (
	// forkFlags make a sibling process that shares the descriptor table.
	forkFlags = unix.CLONE_PARENT | unix.CLONE_FILES | unix.CLONE_PTRACE
	// threadFlags make a thread.
	threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
		unix.CLONE_THREAD | unix.CLONE_SYSVSEM | unix.CLONE_PTRACE
	// mapFlags are those of every mapping in a stub.
	mapFlags = unix.MAP_SHARED | unix.MAP_FIXED
)

// Offsets in struct seccomp_data.
const (
	dataNr     = 0
	dataArch   = 4
	dataIPLow  = 8
	dataIPHigh = 12
	dataArgs   = 16
)

func argLow(n int) uint32  { return uint32(dataArgs + 8*n) }
func argHigh(n int) uint32 { return uint32(dataArgs + 8*n + 4) }

// stubFilter returns the seccomp filter of all stubs: what the loop and the
// parked leader do, from where they do it. doc.go says when it matters.
func stubFilter() []unix.SockFilter {
	var f filter
	f.load(dataArch)
	f.unless(unix.AUDIT_ARCH_X86_64, "deny")
	f.load(dataIPHigh)
	f.unless(textAddr>>32, "deny")
	f.load(dataIPLow)
	f.when((textAddr+parkCallOff)&math.MaxUint32, "parked")
	f.unless((textAddr+loopCallOff)&math.MaxUint32, "deny")

	f.load(dataNr)
	f.when(unix.SYS_MMAP, "mmap")
	f.when(unix.SYS_MUNMAP, "guest range")
	f.when(unix.SYS_MPROTECT, "mprotect")
	f.when(unix.SYS_PREAD64, "pread")
	f.when(unix.SYS_CLONE, "clone")
	f.when(unix.SYS_PRCTL, "prctl")
	f.when(unix.SYS_FALLOCATE, "fallocate")
	f.when(unix.SYS_EXIT, "allow")
	f.jump("deny")

	f.label("parked")
	f.load(dataNr)
	f.when(unix.SYS_PAUSE, "allow")
	f.jump("deny")

	// A shared mapping for the guest, or the stub's own table, read-only.
	f.label("mmap")
	f.load(argLow(3))
	f.when(titleFlags, "title page")
	f.when(mapFlags|unix.MAP_POPULATE, "guest range")
	f.unless(mapFlags, "deny")
	f.load(argHigh(0))
	f.unless(tableAddr>>32, "guest range")
	f.load(argLow(0))
	f.unless(tableAddr&math.MaxUint32, "guest range")
	f.load(argLow(2))
	f.when(unix.PROT_READ, "allow")
	f.jump("deny")

	// The title page, which is no guest's to change.
	f.label("mprotect")
	f.load(argHigh(0))
	f.unless(titleAddr>>32, "guest range")
	f.load(argLow(0))
	f.unless(titleAddr&math.MaxUint32, "guest range")
	f.load(argLow(2))
	f.when(unix.PROT_READ, "title page")
	f.jump("deny")

	f.label("title page")
	f.load(argHigh(0))
	f.unless(titleAddr>>32, "deny")
	f.load(argLow(0))
	f.unless(titleAddr&math.MaxUint32, "deny")
	f.load(argLow(1))
	f.when(pageSize, "allow")
	f.jump("deny")

	f.label("pread")
	f.load(argHigh(1))
	f.unless(titleAddr>>32, "deny")
	f.load(argLow(1))
	f.unless(titleAddr&math.MaxUint32, "deny")
	f.load(argLow(2))
	f.when(pageSize, "allow")
	f.jump("deny")

	f.label("guest range")
	f.load(argHigh(0))
	f.above(maxAddress>>32, "deny")
	f.unless(maxAddress>>32, "allow")
	f.load(argLow(0))
	f.above(maxAddress&math.MaxUint32-1, "deny")
	f.jump("allow")

	f.label("clone")
	f.load(argHigh(0))
	f.unless(0, "deny")
	f.load(argLow(0))
	f.when(forkFlags, "allow")
	f.when(threadFlags, "allow")
	f.jump("deny")

	// Pages of a file that it has already, of any that the sentry has.
	f.label("fallocate")
	f.load(argLow(1))
	f.when(unix.FALLOC_FL_KEEP_SIZE, "allow")
	f.jump("deny")

	f.label("prctl")
	f.load(argLow(0))
	f.when(unix.PR_SET_NAME, "name")
	f.when(unix.PR_SET_MM, "title")
	f.unless(unix.PR_SET_PDEATHSIG, "deny")
	f.load(argLow(1))
	f.when(uint32(unix.SIGKILL), "allow")
	f.jump("deny")

	f.label("name")
	f.load(argHigh(1))
	f.unless(titleAddr>>32, "deny")
	f.load(argLow(1))
	f.when(titleAddr&math.MaxUint32, "allow")
	f.jump("deny")

	f.label("title")
	f.load(argLow(1))
	f.unless(unix.PR_SET_MM_MAP, "deny")
	f.load(argHigh(2))
	f.unless((titleAddr+titleMap)>>32, "deny")
	f.load(argLow(2))
	f.unless((titleAddr+titleMap)&math.MaxUint32, "deny")

	f.label("allow")
	f.ret(unix.SECCOMP_RET_ALLOW)
	f.label("deny")
	f.ret(unix.SECCOMP_RET_TRAP)
	return f.program()
}

// filter is a classic BPF program being written. Jumps go forward to labels.
type filter struct {
	code   []unix.SockFilter
	labels map[string]int
	jumps  map[int]string // the instructions that jump, by index
}

func (f *filter) emit(code uint16, k uint32) {
	f.code = append(f.code, unix.SockFilter{Code: code, K: k})
}

func (f *filter) jumpTo(label string, code uint16, k uint32) {
	if f.jumps == nil {
		f.jumps = make(map[int]string)
	}
	f.jumps[len(f.code)] = label
	f.emit(code, k)
}

func (f *filter) label(name string) {
	if f.labels == nil {
		f.labels = make(map[string]int)
	}
	f.labels[name] = len(f.code)
}

// load puts the word at an offset of seccomp_data into the accumulator.
func (f *filter) load(off uint32) { f.emit(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off) }

// ret ends the program.
func (f *filter) ret(action uint32) { f.emit(unix.BPF_RET|unix.BPF_K, action) }

// when jumps if the accumulator is k.
func (f *filter) when(k uint32, label string) {
	f.jumpTo(label, unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k)
}

// above jumps if the accumulator is greater than k.
func (f *filter) above(k uint32, label string) {
	f.jumpTo(label, unix.BPF_JMP|unix.BPF_JGT|unix.BPF_K, k)
}

// unless jumps if the accumulator is not k.
func (f *filter) unless(k uint32, label string) {
	f.emit(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, k)
	f.code[len(f.code)-1].Jt = 1 // over the jump that follows
	f.jump(label)
}

// jump always jumps.
func (f *filter) jump(label string) { f.jumpTo(label, unix.BPF_JMP|unix.BPF_JA, 0) }

// program resolves the labels. A conditional jump reaches 255 instructions,
// several times the length of stubFilter.
func (f *filter) program() []unix.SockFilter {
	for at, label := range f.jumps {
		distance := f.labels[label] - at - 1
		if f.code[at].Code == unix.BPF_JMP|unix.BPF_JA {
			f.code[at].K = uint32(distance)
		} else {
			f.code[at].Jt = uint8(distance)
		}
	}
	return f.code
}
