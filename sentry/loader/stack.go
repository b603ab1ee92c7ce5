package loader

import (
	"crypto/rand"
	"encoding/binary"
	mrand "math/rand/v2"

	"golang.org/x/sys/unix"

	"hull/sentry/arch"
	"hull/sentry/mm"
	"hull/sentry/usermem"
)

// auxiliary is what the auxiliary vector says beside constants.
type auxiliary struct {
	main  loaded
	phnum int
	base  usermem.Addr // of the interpreter
	vdso  usermem.Addr
}

const (
	// stackExtra is how much stack a program has at the start below its
	// arguments, in bytes.
	stackExtra = 128 << 10
	// maxStackMove is how far the stack's top is moved by chance, in pages.
	maxStackMove = 1 << 22

	platformName = "x86_64"
	clockTicks   = 100
)

// The entries of the auxiliary vector, getauxval(3).
const (
	atNull, atPhdr, atPhent, atPhnum, atPagesz, atBase, atFlags, atEntry = 0, 3, 4, 5, 6, 7, 8, 9
	atUID, atEUID, atGID, atEGID, atPlatform, atHWCap, atClktck          = 11, 12, 13, 14, 15, 16, 17
	atSecure, atRandom, atHWCap2, atExecfn, atSysinfoEhdr, atMinSigStack = 23, 25, 26, 31, 33, 51
)

// buildStack maps the stack and writes what a program finds on it: from the top
// down the name, the strings of envp and argv, 16 random bytes, then the
// auxiliary vector, envp, argv and argc (System V ABI, "Process Initialization").
func (r *Request) buildStack(p *Program, aux *auxiliary) (sp usermem.Addr, info mm.Info, err error) {
	top := r.MM.End() - pageSize
	if r.MM.Randomized() {
		top -= usermem.Addr(mrand.Uint64N(maxStackMove) * pageSize)
		top &^= 15
	}
	strings := uint64(len(r.Name) + 1)
	for _, ss := range [][]string{r.Argv, r.Envp} {
		for _, s := range ss {
			strings += uint64(len(s)) + 1
		}
	}
	vectors := uint64(len(r.Argv)+len(r.Envp))*8 + 1024
	// A quarter of the stack's limit, but never less than 128 KB.
	if room := max(min(r.StackLimit/4, 6<<20), stackExtra); strings+vectors-1024 > room {
		return 0, info, unix.E2BIG
	}
	size := (strings + vectors + stackExtra + pageSize - 1) &^ (pageSize - 1)
	end, _ := top.RoundUp()
	_, err = r.MM.Map(mm.MapOpts{Addr: end - usermem.Addr(size), Length: size, Prot: p.stackProt(),
		Fixed: true, GrowsDown: true, Stack: true, Label: "[stack]"}, r.Limits)
	if err != nil {
		return 0, info, err
	}
	w := stackWriter{mem: r.MM, at: top - 8} // Linux leaves a word of zeros
	name := w.str(r.Name)
	info.EnvEnd = name
	envp := w.strs(r.Envp)
	info.EnvStart, info.ArgEnd = w.at, w.at
	argv := w.strs(r.Argv)
	info.ArgStart = w.at
	plat := w.str(platformName)
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // it never fails, crypto/rand
	w.at &^= 15
	random := w.bytes(seed[:])
	info.Auxv = r.auxv(aux, name, plat, random)
	sp = w.finish(argv, envp, info.Auxv)
	info.StackStart = sp
	return sp, info, w.err
}

// auxv returns the auxiliary vector as pairs, its end included.
func (r *Request) auxv(aux *auxiliary, name, plat, random usermem.Addr) []uint64 {
	var v []uint64
	add := func(k, x uint64) { v = append(v, k, x) }
	if aux.vdso != 0 {
		add(atSysinfoEhdr, uint64(aux.vdso))
	}
	add(atMinSigStack, uint64(arch.MinSignalStack()))
	add(atHWCap, uint64(arch.HWCap()))
	add(atPagesz, pageSize)
	add(atClktck, clockTicks)
	add(atPhdr, uint64(aux.main.phdr))
	add(atPhent, segmentSize)
	add(atPhnum, uint64(aux.phnum))
	add(atBase, uint64(aux.base))
	add(atFlags, 0)
	add(atEntry, uint64(aux.main.entry))
	add(atUID, uint64(r.Cred.RUID))
	add(atEUID, uint64(r.Cred.EUID))
	add(atGID, uint64(r.Cred.RGID))
	add(atEGID, uint64(r.Cred.EGID))
	secure := uint64(0)
	if r.Secure {
		secure = 1
	}
	add(atSecure, secure)
	add(atRandom, uint64(random))
	add(atHWCap2, uint64(arch.HWCap2()))
	add(atExecfn, uint64(name))
	add(atPlatform, uint64(plat))
	add(atNull, 0)
	return v
}

// stackWriter writes downwards. The first error stays.
type stackWriter struct {
	mem usermem.IO
	at  usermem.Addr
	err error
}

func (w *stackWriter) bytes(b []byte) usermem.Addr {
	w.at -= usermem.Addr(len(b))
	if w.err == nil {
		_, w.err = w.mem.CopyOut(w.at, b)
	}
	return w.at
}

func (w *stackWriter) str(s string) usermem.Addr { return w.bytes(append([]byte(s), 0)) }

// strs writes strings so that the first has the lowest address, and returns
// where each is.
func (w *stackWriter) strs(ss []string) []uint64 {
	var all []byte
	for _, s := range ss {
		all = append(append(all, s...), 0)
	}
	at := uint64(w.bytes(all))
	ps := make([]uint64, len(ss))
	for i, s := range ss {
		ps[i] = at
		at += uint64(len(s)) + 1
	}
	return ps
}

// finish writes the vectors and returns the stack pointer, aligned to 16.
func (w *stackWriter) finish(argv, envp, auxv []uint64) usermem.Addr {
	words := append([]uint64{uint64(len(argv))}, argv...)
	words = append(words, 0)
	words = append(append(words, envp...), 0)
	words = append(words, auxv...)
	b := make([]byte, 0, 8*len(words))
	for _, x := range words {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	w.at = (w.at-usermem.Addr(len(b)))&^15 + usermem.Addr(len(b))
	return w.bytes(b)
}
