package arch

// Arg is one system call argument as it lay in a register: nothing about it
// has been checked. Its accessors truncate exactly as the C prototype of the
// call would.
type Arg uint64

// Args are the arguments of one system call.
type Args [6]Arg

// Int reads the argument as a C int.
func (a Arg) Int() int32 { return int32(a) }

// Uint reads the argument as a C unsigned int.
func (a Arg) Uint() uint32 { return uint32(a) }

// Int64 reads the argument as a C long or loff_t.
func (a Arg) Int64() int64 { return int64(a) }

// Uint64 reads the argument as a C unsigned long.
func (a Arg) Uint64() uint64 { return uint64(a) }

// Addr reads the argument as a guest address; usermem checks it on use.
func (a Arg) Addr() uintptr { return uintptr(a) }

// Size reads the argument as a C size_t.
func (a Arg) Size() uint64 { return uint64(a) }

// Mode reads the argument as a mode_t.
func (a Arg) Mode() uint32 { return uint32(a) & 0xffff }
