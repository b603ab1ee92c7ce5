package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/clock"
	"hull/sentry/mem"
)

// vdsoImage returns the image of the vDSO that guests map.
func vdsoImage(t *testing.T) []byte {
	t.Helper()
	b, err := buildVDSO(vdsoFunctions())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// symbols looks every function up the way a C library does: the dynamic segment,
// its hash table's chain, the symbol's version.
func symbols(t *testing.T, image []byte) map[string]elf.Sym64 {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != elf.ET_DYN || f.Machine != elf.EM_X86_64 || len(f.Progs) != 2 {
		t.Fatalf("%+v", f.FileHeader)
	}
	load, dyn := f.Progs[0], f.Progs[1]
	if load.Type != elf.PT_LOAD || load.Flags != elf.PF_R|elf.PF_X || load.Off != 0 || load.Vaddr != 0 || load.Filesz > uint64(len(image)) {
		t.Fatalf("segment %+v", load.ProgHeader)
	}
	if dyn.Type != elf.PT_DYNAMIC || dyn.Off+dyn.Filesz > load.Filesz {
		t.Fatalf("segment %+v", dyn.ProgHeader)
	}
	le := binary.LittleEndian
	tags := map[elf.DynTag]uint64{}
	for d := image[dyn.Off : dyn.Off+dyn.Filesz]; ; d = d[16:] {
		tag := elf.DynTag(le.Uint64(d))
		if tag == elf.DT_NULL {
			break
		}
		tags[tag] = le.Uint64(d[8:])
	}
	strtab := image[tags[elf.DT_STRTAB]:][:tags[elf.DT_STRSZ]]
	str := func(at uint64) string {
		s, _, ok := bytes.Cut(strtab[at:], []byte{0})
		if !ok {
			t.Fatalf("the string at %d does not end", at)
		}
		return string(s)
	}
	if s := str(tags[elf.DT_SONAME]); s != "linux-vdso.so.1" {
		t.Errorf("soname %q", s)
	}
	hash := image[tags[elf.DT_HASH]:]
	buckets, chain := le.Uint32(hash), le.Uint32(hash[4:])
	all := map[string]elf.Sym64{}
	for bucket := range buckets {
		steps := uint32(0)
		for i := le.Uint32(hash[8+4*bucket:]); i != 0; i = le.Uint32(hash[8+4*buckets+4*i:]) {
			if steps++; i >= chain || steps > chain {
				t.Fatalf("the chain leads to symbol %d of %d", i, chain)
			}
			var s elf.Sym64
			if err := binary.Read(bytes.NewReader(image[tags[elf.DT_SYMTAB]+24*uint64(i):]), le, &s); err != nil {
				t.Fatal(err)
			}
			if v := le.Uint16(image[tags[elf.DT_VERSYM]+2*uint64(i):]); v != 2 {
				t.Errorf("symbol %d has version %d", i, v)
			}
			all[str(uint64(s.Name))] = s
		}
	}
	if n := le.Uint32(image[tags[elf.DT_VERDEF]+28+8:]); n != sysvHash("LINUX_2.6") {
		t.Errorf("version's hash %#x", n)
	}
	return all
}

func TestVDSOSymbols(t *testing.T) {
	image := vdsoImage(t)
	if len(image)%pageSize != 0 {
		t.Errorf("%d bytes are no whole pages", len(image))
	}
	all := symbols(t, image)
	for _, n := range []string{"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu", "__vdso_clock_getres",
		"clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres"} {
		s, ok := all[n]
		if !ok {
			t.Errorf("no %s", n)
			continue
		}
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || elf.ST_BIND(s.Info) != elf.STB_GLOBAL || s.Shndx == 0 ||
			s.Value%16 != 0 || s.Size == 0 || s.Value+s.Size > uint64(len(image)) {
			t.Errorf("%s: %+v", n, s)
		}
	}
	if bytes.Contains(image, []byte{0x5A, 0x5A, 0x5A, 0x5A}) {
		t.Error("a reference to the data page was not set")
	}
}

// guestCall maps the vDSO into this process and returns what calls one of its
// functions by the C calling convention.
func guestCall(t *testing.T, v *SharedObject, name string) func(a, b uintptr) uintptr {
	t.Helper()
	image := append([]byte(nil), v.m.Slice(v.text)...)
	sym := symbols(t, image)[name]
	// The data page, the image, then a thunk from Go's convention to C's:
	// mov rdi, rax; mov rsi, rbx; jmp [rip].
	b, err := unix.Mmap(-1, 0, pageSize+len(image)+pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	copy(b, v.m.Slice(v.data))
	copy(b[pageSize:], image)
	thunk := b[pageSize+len(image):]
	n := copy(thunk, "\x48\x89\xc7\x48\x89\xde\xff\x25\x00\x00\x00\x00")
	binary.LittleEndian.PutUint64(thunk[n:], uint64(uintptr(unsafe.Pointer(&b[pageSize+int(sym.Value)]))))
	if err := unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		t.Fatal(err)
	}
	code := &struct{ pc uintptr }{uintptr(unsafe.Pointer(&thunk[0]))} // what a func value points to
	return *(*func(a, b uintptr) uintptr)(unsafe.Pointer(&code))
}

// TestVDSOClocks calls the functions and compares with the host's clocks.
func TestVDSOClocks(t *testing.T) {
	m, err := mem.New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Release()
	v, err := NewVDSO(m, clock.New(clock.Offsets{}), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		v.Release()
		if n := m.Usage(); n != 0 {
			t.Errorf("%d bytes are still in use", n)
		}
	}()
	if v.page().mult == 0 {
		t.Log("the processor's counter is no clock here: the functions make system calls")
	}
	const slack = int64(5e6) // what calibration may err, in ns
	gettime := guestCall(t, v, "clock_gettime")
	for _, id := range []int32{unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME, unix.CLOCK_TAI, unix.CLOCK_MONOTONIC_RAW} {
		var before, got, after unix.Timespec
		_ = unix.ClockGettime(id, &before)
		ret := gettime(uintptr(id), uintptr(unsafe.Pointer(&got)))
		_ = unix.ClockGettime(id, &after)
		if ret != 0 || got.Nsec < 0 || got.Nsec >= 1e9 || got.Nano() < before.Nano()-slack || got.Nano() > after.Nano()+slack {
			t.Errorf("clock %d: %d, %+v; the host says %+v to %+v", id, ret, got, before, after)
		}
	}
	if ret := gettime(1000, 0); ret != ^uintptr(unix.EINVAL)+1 {
		t.Errorf("an unknown clock: %#x", ret)
	}
	var tv unix.Timeval
	var now unix.Timespec
	ret := guestCall(t, v, "gettimeofday")(uintptr(unsafe.Pointer(&tv)), 0)
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &now)
	if d := now.Nano() - tv.Nano(); ret != 0 || tv.Usec >= 1e6 || d < -slack || d > slack+1000 {
		t.Errorf("gettimeofday: %d, %+v; the host says %+v", ret, tv, now)
	}
	if s := int64(guestCall(t, v, "time")(0, 0)); s < tv.Sec || s > tv.Sec+2 {
		t.Errorf("time: %d, gettimeofday said %d", s, tv.Sec)
	}
	var cpu, node uint32 = 1 << 30, 1
	if ret := guestCall(t, v, "getcpu")(uintptr(unsafe.Pointer(&cpu)), uintptr(unsafe.Pointer(&node))); ret != 0 || cpu >= 4096 || node != 0 {
		t.Errorf("getcpu: %d, processor %d of node %d", ret, cpu, node)
	}
	var res unix.Timespec
	if ret := guestCall(t, v, "clock_getres")(unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&res))); ret != 0 || res.Nano() < 1 {
		t.Errorf("clock_getres: %d, %+v", ret, res)
	}
}
