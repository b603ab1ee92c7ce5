package ptrace

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/lock"
)

// maxSlots bounds the number of address spaces; it is Linux's usual pid_max.
const maxSlots = 1 << 15

// slots is the memfd whose pages are the tables of the stubs, and behind all of
// those their titles.
type slots struct {
	fd  int
	mem []byte // the tables, mapped; a page takes memory once it was used

	mu   lock.Mutex[lock.Leaf]
	free []int32 // guarded by mu: given back, used again before new ones
	next int32   // guarded by mu: the first that was never used
}

func newSlots() (*slots, error) {
	fd, err := unix.MemfdCreate("hull-stub-tables", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("ptrace: memfd for tables: %w", err)
	}
	s := &slots{fd: fd}
	if err = unix.Ftruncate(fd, 2*maxSlots*pageSize); err == nil {
		s.mem, err = unix.Mmap(fd, 0, maxSlots*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("ptrace: mapping tables: %w", err)
	}
	return s, nil
}

// get returns an unused slot with zeros in its table.
func (s *slots) get() (int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.next
	if n := len(s.free); n > 0 {
		slot, s.free = s.free[n-1], s.free[:n-1]
	} else if slot == maxSlots {
		return 0, fmt.Errorf("ptrace: %d address spaces: %w", maxSlots, unix.ENOMEM)
	} else {
		s.next++
	}
	*s.table(slot) = table{}
	return slot, nil
}

func (s *slots) put(slot int32) {
	s.mu.Lock()
	s.free = append(s.free, slot)
	s.mu.Unlock()
}

func (s *slots) table(slot int32) *table {
	return (*table)(unsafe.Pointer(&s.mem[int(slot)*pageSize]))
}

// mapCall is the call by which a stub maps the table of a slot as its own.
func (s *slots) mapCall(slot int32) call {
	return call{unix.SYS_MMAP, tableAddr, pageSize, unix.PROT_READ, mapFlags, uint64(s.fd), uint64(slot) * pageSize}
}

func (s *slots) close() {
	_ = unix.Munmap(s.mem)
	_ = unix.Close(s.fd)
}
