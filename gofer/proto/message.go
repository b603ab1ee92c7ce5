package proto

// Op is what a request asks for.
type Op uint8

// The requests. Beside each, the fields that it has.
const (
	Hello       Op = iota + 1 // Version in Flags
	Attach                    // Fid: the number of a root
	Walk                      // Fid, Names
	Clunk                     // Fids
	Getattr                   // Fid
	Setattr                   // Fid, Mask, Mode, UID, GID, Size, Atime, Mtime
	Open                      // Fid, Flags: O_RDONLY, O_WRONLY, O_RDWR
	Create                    // Fid, Name, Mode, UID, GID: a regular file
	Mkdir                     // Fid, Name, Mode, UID, GID
	Mknod                     // Fid, Name, Mode, UID, GID: a FIFO or a socket
	Symlink                   // Fid, Name, Target, UID, GID
	Readlink                  // Fid
	Link                      // Fid, Name, Fid2: the target
	Unlink                    // Fid, Name, Flags: AT_REMOVEDIR
	Rename                    // Fid, Name, Fid2, Name2, Flags: RENAME_*
	Readdir                   // Fid, Off: a cookie
	Statfs                    // Fid
	Fsync                     // Fid
	GetXattr                  // Fid, Name
	SetXattr                  // Fid, Name, Value, Flags
	ListXattr                 // Fid
	RemoveXattr               // Fid, Name
	lastOp
)

// Request is a message to a gofer. Which fields matter depends on Op; the others
// are not sent.
type Request struct {
	Op           Op
	Tag          uint32
	Fid, Fid2    uint32
	Fids         []uint32
	Name, Name2  string
	Names        []string
	Target       string
	Flags        uint32
	Mode         uint32
	UID, GID     uint32
	Mask         uint32 // of Setattr: Set*
	Size, Off    int64
	Atime, Mtime Time
	Value        []byte
}

// The fields that Setattr sets, as vfs numbers them.
const (
	SetMode = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
	SetAtimeNow
	SetMtimeNow
)

// Time is seconds and nanoseconds since 1970.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Attr is the attributes of a file.
type Attr struct {
	Mode, Nlink                uint32
	UID, GID                   uint32
	Dev, Rdev, Ino             uint64
	Size                       int64
	Blocks                     uint64 // of 512 bytes
	BlockSize                  uint32
	Atime, Mtime, Ctime, Btime Time
}

// Node is a file that the gofer holds for the sentry.
type Node struct {
	Fid  uint32
	Attr Attr
}

// Dirent is an entry of a directory.
type Dirent struct {
	Name string
	Ino  uint64
	Type uint8
	Next int64 // the cookie behind it
}

// FSStat is statfs(2)'s answer.
type FSStat struct {
	Type, Bsize, Namelen, Frsize               int64
	Blocks, Bfree, Bavail, Files, Ffree, Flags uint64
}

// Reply is the answer to the request with the same tag. With Errno other than 0
// nothing else matters, but for Walk: Nodes are those that were found before.
type Reply struct {
	Op      Op
	Tag     uint32
	Errno   uint32
	Count   uint32 // Hello: roots
	Flags   uint32 // Hello: the version
	Nodes   []Node
	Attr    Attr
	Target  string
	Entries []Dirent
	Statfs  FSStat
	Value   []byte
	Names   []string
}

// codec writes fields to a message, or reads them from one: the same code
// describes both directions.
type codec interface {
	u8(*uint8)
	u32(*uint32)
	u64(*uint64)
	i64(*int64)
	str(s *string, max int)
	bytes(b *[]byte, max int)
	// count is how many elements follow; grow is called for each when reading.
	count(n int, max int) int
	// fail makes the message invalid.
	fail()
}

// name is a single component.
func name(c codec, s *string) {
	c.str(s, MaxName)
	if !ValidName(*s) {
		c.fail()
	}
}

// ValidName reports whether s is one component of a path: not empty, not "." or
// "..", without slashes and NULs, at most MaxName bytes.
func ValidName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		if s[i] == '/' || s[i] == 0 {
			return false
		}
	}
	return true
}

func (t *Time) code(c codec) { c.i64(&t.Sec); c.u32(&t.Nsec) }

func (a *Attr) code(c codec) {
	for _, p := range []*uint32{&a.Mode, &a.Nlink, &a.UID, &a.GID, &a.BlockSize} {
		c.u32(p)
	}
	for _, p := range []*uint64{&a.Dev, &a.Rdev, &a.Ino, &a.Blocks} {
		c.u64(p)
	}
	c.i64(&a.Size)
	for _, t := range []*Time{&a.Atime, &a.Mtime, &a.Ctime, &a.Btime} {
		t.code(c)
	}
}

func (r *Request) code(c codec) {
	c.u8((*uint8)(&r.Op))
	c.u32(&r.Tag)
	switch r.Op {
	case Hello:
		c.u32(&r.Flags)
	case Attach, Getattr, Readlink, Statfs, Fsync, ListXattr:
		c.u32(&r.Fid)
	case Walk:
		c.u32(&r.Fid)
		n := c.count(len(r.Names), MaxWalk)
		r.Names = resize(r.Names, n)
		for i := range r.Names {
			name(c, &r.Names[i])
		}
	case Clunk:
		n := c.count(len(r.Fids), MaxEntries)
		r.Fids = resize(r.Fids, n)
		for i := range r.Fids {
			c.u32(&r.Fids[i])
		}
	case Setattr:
		for _, p := range []*uint32{&r.Fid, &r.Mask, &r.Mode, &r.UID, &r.GID} {
			c.u32(p)
		}
		c.i64(&r.Size)
		r.Atime.code(c)
		r.Mtime.code(c)
	case Open:
		c.u32(&r.Fid)
		c.u32(&r.Flags)
	case Create, Mkdir, Mknod, Symlink:
		c.u32(&r.Fid)
		name(c, &r.Name)
		for _, p := range []*uint32{&r.Mode, &r.UID, &r.GID} {
			c.u32(p)
		}
		if r.Op == Symlink {
			c.str(&r.Target, MaxTarget)
		}
	case Link:
		c.u32(&r.Fid)
		name(c, &r.Name)
		c.u32(&r.Fid2)
	case Unlink:
		c.u32(&r.Fid)
		name(c, &r.Name)
		c.u32(&r.Flags)
	case Rename:
		c.u32(&r.Fid)
		name(c, &r.Name)
		c.u32(&r.Fid2)
		name(c, &r.Name2)
		c.u32(&r.Flags)
	case Readdir:
		c.u32(&r.Fid)
		c.i64(&r.Off)
	case GetXattr, RemoveXattr:
		c.u32(&r.Fid)
		c.str(&r.Name, MaxName)
	case SetXattr:
		c.u32(&r.Fid)
		c.str(&r.Name, MaxName)
		c.bytes(&r.Value, MaxValue)
		c.u32(&r.Flags)
	default:
		c.fail()
	}
}

func (r *Reply) code(c codec) {
	c.u8((*uint8)(&r.Op))
	c.u32(&r.Tag)
	c.u32(&r.Errno)
	if r.Errno != 0 && r.Op != Walk {
		return
	}
	switch r.Op {
	case Hello:
		c.u32(&r.Flags)
		c.u32(&r.Count)
	case Attach, Walk, Create, Mkdir, Mknod, Symlink, Link:
		n := c.count(len(r.Nodes), MaxWalk)
		r.Nodes = resize(r.Nodes, n)
		for i := range r.Nodes {
			c.u32(&r.Nodes[i].Fid)
			r.Nodes[i].Attr.code(c)
		}
	case Getattr, Setattr:
		r.Attr.code(c)
	case Readlink:
		c.str(&r.Target, MaxTarget)
	case Readdir:
		n := c.count(len(r.Entries), MaxEntries)
		r.Entries = resize(r.Entries, n)
		for i := range r.Entries {
			e := &r.Entries[i]
			c.str(&e.Name, MaxName)
			c.u64(&e.Ino)
			c.u8(&e.Type)
			c.i64(&e.Next)
		}
	case Statfs:
		s := &r.Statfs
		for _, p := range []*int64{&s.Type, &s.Bsize, &s.Namelen, &s.Frsize} {
			c.i64(p)
		}
		for _, p := range []*uint64{&s.Blocks, &s.Bfree, &s.Bavail, &s.Files, &s.Ffree, &s.Flags} {
			c.u64(p)
		}
	case GetXattr:
		c.bytes(&r.Value, MaxValue)
	case ListXattr:
		n := c.count(len(r.Names), MaxEntries)
		r.Names = resize(r.Names, n)
		for i := range r.Names {
			c.str(&r.Names[i], MaxName)
		}
	case Clunk, Open, Unlink, Rename, Fsync, SetXattr, RemoveXattr:
	default:
		c.fail()
	}
}

func resize[T any](s []T, n int) []T {
	if n == len(s) {
		return s
	}
	return make([]T, n)
}
