package loader

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The version that the vDSO's symbols have (vdso(7)).
const (
	vdsoName    = "linux-vdso.so.1"
	vdsoVersion = "LINUX_2.6"
)

// sysvHash is the hash of the System V ABI, "Hash Table".
func sysvHash(s string) uint32 {
	var h uint32
	for i := range len(s) {
		h = h<<4 + uint32(s[i])
		g := h & 0xf0000000
		h ^= g>>24 | g
	}
	return h
}

// buildVDSO makes the shared object: one readable and executable segment with
// the dynamic tables that a loader looks symbols up by, and the code.
func buildVDSO(fs []function) ([]byte, error) {
	b := vdsoBuilder{strtab: []byte{0}}
	var names []string
	for _, f := range fs {
		names = append(names, f.names...)
	}
	nsyms := len(names) + 1

	// Sizes first: every table's place is needed by the headers before it.
	const headers = headerSize + 2*segmentSize
	const symSize, dynSize, verdefSize = 24, 16, 2*20 + 2*8
	var nameAt []uint32
	for _, n := range names {
		nameAt = append(nameAt, b.str(n))
	}
	soname, version := b.str(vdsoName), b.str(vdsoVersion)
	dynsym := uint64(headers)
	dynstr := dynsym + uint64(nsyms*symSize)
	hash := align8(dynstr + uint64(len(b.strtab)))
	versym := hash + uint64(4*(2+1+nsyms))
	verdef := align8(versym + uint64(2*nsyms))
	dynamic := align8(verdef + verdefSize)
	const dynCount = 11
	text := (dynamic + dynCount*dynSize + 63) &^ 63

	var code bytes.Buffer
	at := map[string]uint64{}
	size := map[string]uint64{}
	for _, f := range fs {
		for code.Len()%16 != 0 {
			code.WriteByte(0x90)
		}
		off := text + uint64(code.Len())
		if err := relocate(f.code, off); err != nil {
			return nil, err
		}
		for _, n := range f.names {
			at[n], size[n] = off, uint64(len(f.code))
		}
		code.Write(f.code)
	}
	total := text + uint64(code.Len())

	b.header(headers, dynamic, total, dynCount*dynSize)
	b.pad(dynsym)
	b.words(0, 0, 0) // the null symbol
	for i, n := range names {
		const globalFunc, section = 1<<4 | 2, 1
		b.put(nameAt[i], uint8(globalFunc), uint8(0), uint16(section), at[n], size[n])
	}
	b.pad(dynstr)
	b.put(b.strtab)
	b.pad(hash)
	b.hashTable(nsyms)
	b.pad(versym)
	for i := range nsyms {
		v := uint16(2)
		if i == 0 {
			v = 0
		}
		b.put(v)
	}
	b.pad(verdef)
	const base, plain = 1, 0
	b.put(uint16(1), uint16(base), uint16(1), uint16(1), sysvHash(vdsoName), uint32(20), uint32(28))
	b.put(soname, uint32(0))
	b.put(uint16(1), uint16(plain), uint16(2), uint16(1), sysvHash(vdsoVersion), uint32(20), uint32(0))
	b.put(version, uint32(0))
	b.pad(dynamic)
	for _, d := range [dynCount][2]uint64{
		{14, uint64(soname)},                // DT_SONAME
		{4, hash}, {5, dynstr}, {6, dynsym}, // DT_HASH, DT_STRTAB, DT_SYMTAB
		{10, uint64(len(b.strtab))}, {11, symSize}, // DT_STRSZ, DT_SYMENT
		{0x6ffffff0, versym},                  // DT_VERSYM
		{0x6ffffffc, verdef}, {0x6ffffffd, 2}, // DT_VERDEF, DT_VERDEFNUM
		{0, 0}, {0, 0},
	} {
		b.words(d[0], d[1])
	}
	b.pad(text)
	b.put(code.Bytes())
	if b.err != nil {
		return nil, b.err
	}
	b.pad((total + pageSize - 1) &^ (pageSize - 1))
	return b.out.Bytes(), b.err
}

func align8(n uint64) uint64 { return (n + 7) &^ 7 }

// vdsoBuilder writes an image from its start. The first error stays.
type vdsoBuilder struct {
	out    bytes.Buffer
	strtab []byte
	err    error
}

// str adds a string to the string table and returns where it is.
func (b *vdsoBuilder) str(s string) uint32 {
	at := uint32(len(b.strtab))
	b.strtab = append(append(b.strtab, s...), 0)
	return at
}

// put writes values little-endian.
func (b *vdsoBuilder) put(vs ...any) {
	for _, v := range vs {
		if err := binary.Write(&b.out, binary.LittleEndian, v); err != nil && b.err == nil {
			b.err = err
		}
	}
}

func (b *vdsoBuilder) words(vs ...uint64) { b.put(vs) }

// pad goes on to offset to, which must not have been passed.
func (b *vdsoBuilder) pad(to uint64) {
	if uint64(b.out.Len()) > to && b.err == nil {
		b.err = fmt.Errorf("vdso: table at %d begins at %d", to, b.out.Len())
	}
	for uint64(b.out.Len()) < to {
		b.out.WriteByte(0)
	}
}

// header writes the ELF header and the program headers.
func (b *vdsoBuilder) header(headers int, dynamic, total uint64, dynBytes uint64) {
	b.put([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	b.put(uint16(typeDyn), uint16(machine), uint32(1), uint64(0), uint64(headerSize), uint64(0), uint32(0),
		uint16(headerSize), uint16(segmentSize), uint16((headers-headerSize)/segmentSize), uint16(64), uint16(0), uint16(0))
	b.put(uint32(ptLoad), uint32(flagRead|flagExec))
	b.words(0, 0, 0, total, total, pageSize)
	const ptDynamic = 2
	b.put(uint32(ptDynamic), uint32(flagRead))
	b.words(dynamic, dynamic, dynamic, dynBytes, dynBytes, 8)
}

// hashTable writes a DT_HASH table with one bucket: every symbol is in its
// chain, as few as they are.
func (b *vdsoBuilder) hashTable(nsyms int) {
	b.put(uint32(1), uint32(nsyms), uint32(1), uint32(0))
	for i := 1; i < nsyms; i++ {
		next := uint32(i + 1)
		if i+1 == nsyms {
			next = 0
		}
		b.put(next)
	}
}
