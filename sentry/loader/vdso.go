package loader

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/clock"
	"hull/sentry/mem"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// vdsoData is the data page that guests read beside the vDSO: clock parameters
// under a sequence counter, which is odd while they change.
type vdsoData struct {
	seq  uint32
	cpus uint32 // how many processors the guest has
	tsc  uint64
	mult uint64
	base [5]uint64 // realtime, monotonic, boottime, TAI, raw: clock's order
}

// SharedObject is the vDSO of one sandbox: pages of its memory, mapped by every
// program.
type SharedObject struct {
	m    *mem.File
	c    *clock.Clocks // whose parameters the data page has
	data mem.Range     // the data page
	text mem.Range     // the ELF image
}

// NewVDSO makes the vDSO. Its clocks follow c.
func NewVDSO(m *mem.File, c *clock.Clocks, cpus int) (*SharedObject, error) {
	image, err := buildVDSO(vdsoFunctions())
	if err != nil {
		return nil, err
	}
	v := &SharedObject{m: m, c: c}
	if v.data, err = m.Allocate(pageSize); err != nil {
		return nil, err
	}
	if v.text, err = m.Allocate(uint64(len(image))); err != nil {
		m.DecRef(v.data)
		return nil, err
	}
	copy(m.Slice(v.text), image)
	v.page().cpus = uint32(cpus)
	c.Watch(v)
	return v, nil
}

// Release stops following the clocks and drops the pages: before the sandbox's
// memory is released. Programs that have it mapped keep it as it is.
func (v *SharedObject) Release() {
	v.c.Unwatch(v)
	v.m.DecRef(v.data)
	v.m.DecRef(v.text)
}

func (v *SharedObject) page() *vdsoData {
	return (*vdsoData)(unsafe.Pointer(&v.m.Slice(v.data)[0]))
}

// Update implements clock.Watcher.
func (v *SharedObject) Update(p clock.Params) {
	d := v.page()
	seq := atomic.LoadUint32(&d.seq)
	atomic.StoreUint32(&d.seq, seq+1)
	atomic.StoreUint64(&d.tsc, p.TSC)
	atomic.StoreUint64(&d.mult, p.Mult)
	for i := range d.base {
		atomic.StoreUint64(&d.base[i], p.Base[i])
	}
	atomic.StoreUint32(&d.seq, seq+2)
}

// Map implements VDSO: the data page, and the code right behind it.
func (v *SharedObject) Map(as *mm.AddressSpace) (usermem.Addr, error) {
	lim := mm.Limits{AS: ^uint64(0), Data: ^uint64(0), MemLock: ^uint64(0), Unlimited: true}
	n := v.data.Len() + v.text.Len()
	at, err := as.Map(mm.MapOpts{Length: n}, lim)
	if err != nil {
		return 0, err
	}
	_, err = as.Map(mm.MapOpts{Addr: at, Length: v.data.Len(), Fixed: true, Prot: unix.PROT_READ, Populate: true,
		MaxProt: unix.PROT_READ, File: pages{v.m, v.data}, Label: "[vvar]"}, lim)
	if err != nil {
		return 0, err
	}
	code := at + usermem.Addr(v.data.Len())
	_, err = as.Map(mm.MapOpts{Addr: code, Length: v.text.Len(), Fixed: true, Prot: unix.PROT_READ | unix.PROT_EXEC, Populate: true,
		File: pages{v.m, v.text}, Label: "[vdso]"}, lim)
	return code, err
}

// pages is a Mappable of memory that lives as long as the sandbox.
type pages struct {
	m *mem.File
	r mem.Range
}

// Translate implements mm.Mappable.
func (p pages) Translate(off, length uint64, _ bool) (mm.Segment, error) {
	if off >= p.r.Len() {
		return mm.Segment{}, unix.ENXIO
	}
	n := min(length, p.r.Len()-off)
	r := mem.Range{Start: p.r.Start + off, End: p.r.Start + off + n}
	p.m.IncRef(r)
	return mm.Segment{Off: off, Len: n, Pos: r.Start, Mem: true, Prot: unix.PROT_READ | unix.PROT_EXEC}, nil
}

// AddMapping implements mm.Mappable.
func (pages) AddMapping(mm.Space, usermem.Range, uint64, bool) error { return nil }

// RemoveMapping implements mm.Mappable.
func (pages) RemoveMapping(mm.Space, usermem.Range, uint64, bool) {}

// vdsoCode returns where the functions begin, and where the last one ends.
func vdsoCode() (starts [6]uintptr)

// function is one that the vDSO exports.
type function struct {
	names []string
	code  []byte
}

// vdsoFunctions copies the machine code of the vDSO's functions.
func vdsoFunctions() []function {
	names := [][]string{
		{"__vdso_clock_gettime", "clock_gettime"}, {"__vdso_gettimeofday", "gettimeofday"},
		{"__vdso_time", "time"}, {"__vdso_getcpu", "getcpu"}, {"__vdso_clock_getres", "clock_getres"},
	}
	starts := vdsoCode()
	fs := make([]function, len(names))
	for i := range fs {
		n := starts[i+1] - starts[i]
		fs[i] = function{names[i], append([]byte(nil), unsafe.Slice(textByte(starts[i]), n)...)}
	}
	return fs
}

// textByte is the byte of this program's code at p.
func textByte(p uintptr) *byte { return *(**byte)(unsafe.Pointer(&p)) }

// dataMarker is the displacement that stands for the data page in the code.
const dataMarker = 0x5A5A5A5A

// relocate sets the displacements in code, which will lie at offset at of the
// image, to the data page before the image.
func relocate(code []byte, at uint64) error {
	lea := []byte{0x4C, 0x8D, 0x05}
	for i := 0; i+7 <= len(code); i++ {
		if string(code[i:i+3]) == string(lea) && binary.LittleEndian.Uint32(code[i+3:]) == dataMarker {
			disp := -int64(pageSize) - int64(at) - int64(i) - 7
			binary.LittleEndian.PutUint32(code[i+3:], uint32(int32(disp)))
		}
	}
	for i := 0; i+4 <= len(code); i++ {
		if binary.LittleEndian.Uint32(code[i:]) == dataMarker {
			return fmt.Errorf("vdso: a reference to the data page was not found")
		}
	}
	return nil
}
