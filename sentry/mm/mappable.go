package mm

import (
	"hull/platform"
	"hull/sentry/usermem"
)

// Mappable is a file whose bytes can be mapped. Its methods are called with mm
// locks held: they may take locks of rank FileMap and inner, and must not touch
// guest memory.
type Mappable interface {
	// Translate says where the bytes of the file from off (page aligned) lie,
	// at least the page at off and, where it is cheap, up to length bytes.
	// write says that the mapping is shared and will be written. unix.ENOMEM,
	// or any other error for an offset beyond the end (the guest gets SIGBUS).
	// For sandbox memory it returns with a reference on the pages of the
	// segment, which the caller drops.
	Translate(off, length uint64, write bool) (Segment, error)

	// AddMapping tells that s maps the file's [off, off+r.Len()) at r from now
	// on; the file calls s.Invalidate when what Translate said is no longer
	// true. writable says that the mapping is shared and may be written.
	AddMapping(s Space, r usermem.Range, off uint64, writable bool) error

	// RemoveMapping takes back an AddMapping, or a part of one.
	RemoveMapping(s Space, r usermem.Range, off uint64, writable bool)
}

// Segment is some of a file's bytes in host memory.
type Segment struct {
	Off  uint64        // file offset of the first byte, page aligned
	Len  uint64        // multiple of the page size
	FD   int           // the host file; ignored if Mem
	Pos  uint64        // where Off lies in FD or, if Mem, in the sandbox's memory
	Mem  bool          // the bytes are sandbox memory, with a reference taken
	Prot platform.Prot // the most that a shared mapping of it may allow
}

// Space is an address space as a mapped file sees it.
type Space interface {
	// Invalidate makes the space forget what Translate said of the mappings
	// in r. private says that copies which private mappings made go too
	// (truncation), not only what is still shared with the file. It must be
	// called without locks of rank MMMapping or inner.
	Invalidate(r usermem.Range, private bool)
}

// Named is what /proc/PID/maps says of a mapped file, and keeps it open.
type Named interface {
	// MappedName returns path, device and inode number.
	MappedName() (path string, dev, ino uint64)
	// IncRef and DecRef count the vmas that name it.
	IncRef()
	DecRef()
}
