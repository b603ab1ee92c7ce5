package cmd

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lean makes the process keep little memory that it does not use: a sandbox
// mostly rests, and many rest on one machine. Starting is left alone: there would be
// a collection in the midst of it. Who calls it sets GOMAXPROCS before, if at all.
func lean() {
	t := &thrift{}
	time.AfterFunc(settled, func() {
		debug.SetGCPercent(leanGC)
		t.giveBack()
	})
}

// thrift gives back what its process does not use, once the process rests.
type thrift struct {
	// attended is that of a sentry whose caller waits for it. Few of those start at once,
	// and with files of the host for a root there is more garbage: it always collects. Immutable.
	attended bool

	mu struct {
		sync.Mutex
		timer *time.Timer // nil before the first rest
	}
	giving struct {
		sync.Mutex        // held by giveBack
		kept       uint64 // bytes of the heap after the last collection here
	}
}

// rest says that something is over. If nothing else is within a while, what
// the process does not use goes back.
func (t *thrift) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.timer == nil {
		t.mu.timer = time.AfterFunc(settled, t.giveBack)
		return
	}
	t.mu.timer.Reset(settled)
}

// worth is how many bytes that may be of no use make a collection worth it. The first
// one takes 1.5 MB for what Go notes of it, half of that for good, and its threads.
const worth = 2 << 20

// giveBack gives back what the process does not use.
func (t *thrift) giveBack() {
	t.giving.Lock()
	defer t.giving.Unlock()
	switch {
	case t.attended:
		debug.FreeOSMemory()
	case heap() < t.giving.kept+worth:
		forget(codeOf())
		return
	default:
		t.collect()
	}
	// What collecting needed of the binary goes too, once Go's threads have gone to sleep after it.
	time.AfterFunc(settled/2, func() { forget(codeOf()) })
}

// collect collects with one processor of Go's. t.giving is held.
func (t *thrift) collect() {
	// With more than one processor of Go's, some of its threads wait for the one that
	// is at work by looking again and again. Where many sandboxes start at once that one
	// waits for a processor of the machine, and they took five times what the collection does.
	n := runtime.GOMAXPROCS(1)
	debug.FreeOSMemory()
	runtime.GOMAXPROCS(n)
	t.giving.kept = heap()
}

// heap is how many bytes objects take, garbage included, and what is kept for more. It
// is not asked by runtime.ReadMemStats, after which a process is 0.4 MB larger.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64()
}

// leanGC is GOGC of processes that mostly wait. A sentry at work has more: with
// its small heap a collection each time it doubles is half of all it does.
const leanGC = 40

// settled is how long starting takes: garbage that it left can go then.
const settled = 700 * time.Millisecond

// codeOf returns where the binary's code and constants are mapped: by its own
// program headers (getauxval(3), elf(5)), as the roles have no /proc to look at.
func codeOf() [][]byte {
	aux, err := unix.Auxv()
	if err != nil {
		return nil
	}
	var headers, count, size uintptr
	for _, a := range aux {
		switch a[0] {
		case atPHDR:
			headers = a[1]
		case atPHENT:
			size = a[1]
		case atPHNUM:
			count = a[1]
		}
	}
	if headers == 0 || size != unsafe.Sizeof(programHeader{}) {
		return nil
	}
	const load, writable, page = 1, 2, 4096
	var code [][]byte
	for _, h := range unsafe.Slice((*programHeader)(at(headers)), count) {
		if h.Type != load || h.Flags&writable != 0 {
			continue
		}
		start := h.Vaddr &^ (page - 1)
		end := (h.Vaddr + h.Memsz) &^ (page - 1) // the last page may hold data of the next part
		if end > start {
			code = append(code, unsafe.Slice((*byte)(at(uintptr(start))), end-start))
		}
	}
	return code
}

// at is the memory at an address that the kernel said. The binary is linked to
// fixed addresses, so those in its headers are where it is.
func at(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// The entries of the auxiliary vector that say where the program headers are.
const (
	atPHDR  = 3
	atPHENT = 4
	atPHNUM = 5
)

// programHeader is Elf64_Phdr.
type programHeader struct {
	Type, Flags                                uint32
	Offset, Vaddr, Paddr, Filesz, Memsz, Align uint64
}

// forget takes code out of the page tables: what starting needed and running does
// not is no memory of this process then. What is needed comes back from the page
// cache, a few pages a fault: see the Makefile for why it is not 2 MB.
func forget(code [][]byte) {
	for _, c := range code {
		_ = unix.Madvise(c, unix.MADV_DONTNEED) // a host that refuses loses nothing
	}
}
