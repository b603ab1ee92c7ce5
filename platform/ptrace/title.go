package ptrace

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// What the host's ps(1) shows of a stub is the guest's: name and command line.
//
// Linux takes a command line from private memory only (FOLL_ANON), and guest
// memory is a shared file. So a stub gets a page of its own for it, behind the
// table; guest code can read it, as it could its own arguments. The stub reads
// the page from the slots' file, where each slot has a second page for this.

const (
	titleAddr  = maxAddress + 0x5000
	titleFlags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED

	// Where in the page the parts are: the name, struct prctl_mm_map, the words.
	titleMap   = 16
	titleMapSz = 13 * 8
	titleWords = 128
	// maxTitle is how much of a command line is shown, with the zero at its end.
	maxTitle = pageSize - titleWords
)

// titlePage is the page of a stub whose guest has a name and a command line, the
// words of which end with zeros.
func titlePage(comm string, cmdline []byte) []byte {
	page := make([]byte, pageSize)
	const maxName = 15
	copy(page, comm[:min(len(comm), maxName)])
	n := copy(page[titleWords:pageSize-1], cmdline)
	if n > 0 && page[titleWords+n-1] != 0 {
		n++ // cut, or without an end: Linux looks for a zero there
	}
	words, end := uint64(titleAddr+titleWords), uint64(titleAddr+titleWords+n)
	m := page[titleMap:titleMap]
	for _, v := range [...]uint64{
		textAddr, textAddr + pageSize, // code
		textAddr, textAddr, // data
		textAddr, textAddr, // heap
		textAddr,   // stack
		words, end, // arguments
		end, end, // environment
		0, // auxiliary vector
	} {
		m = binary.NativeEndian.AppendUint64(m, v)
	}
	m = binary.NativeEndian.AppendUint32(m, 0)      // its size: it stays
	binary.NativeEndian.AppendUint32(m, ^uint32(0)) // no other program
	return page
}

// titleCalls are the calls by which a stub takes over its title page. One that
// fails, in a kernel without PR_SET_MM_MAP, leaves a stub with another title.
func (s *addressSpace) titleCalls() []call {
	return []call{
		{unix.SYS_MMAP, titleAddr, pageSize, unix.PROT_READ | unix.PROT_WRITE, titleFlags, ^uint64(0)},
		{unix.SYS_PREAD64, uint64(s.slots.fd), titleAddr, pageSize, titleOffset(s.slot)},
		{unix.SYS_MPROTECT, titleAddr, pageSize, unix.PROT_READ},
		{unix.SYS_PRCTL, unix.PR_SET_NAME, titleAddr},
		{unix.SYS_PRCTL, unix.PR_SET_MM, unix.PR_SET_MM_MAP, titleAddr + titleMap, titleMapSz},
	}
}

// titleOffset is where in the slots' file the title page of a slot is.
func titleOffset(slot int32) uint64 { return (maxSlots + uint64(slot)) * pageSize }

// tell returns the calls by which the leader is to take a new title over, as its
// name is that of the process; none if there is none. mu is held.
func (s *addressSpace) tell() []call {
	if !s.untold {
		return nil
	}
	s.untold = false
	return s.titleCalls()
}

// Title implements platform.Titler.
func (s *addressSpace) Title(comm string, cmdline []byte, now bool) {
	page := titlePage(comm, cmdline)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	// A failure leaves an old title, or none.
	if _, err := unix.Pwrite(s.slots.fd, page, int64(titleOffset(s.slot))); err != nil {
		return
	}
	s.untold = true
	if now {
		_ = s.withLeader(func(t *thread) error {
			_, err := t.run(s.tab, copy(s.tab[:], s.tell()))
			return err
		})
	}
}

// Process implements platform.Titler.
func (s *addressSpace) Process() int { return int(s.leader.tgid) }
