package pipe

import (
	"math/bits"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/lock"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

const (
	pageSize     = usermem.PageSize
	defaultSlots = 16      // PIPE_DEF_BUFFERS
	maxSize      = 1 << 20 // /proc/sys/fs/pipe-max-size
	maxSpare     = 16
)

// segment is one slot of the ring: up to a page of bytes.
type segment struct {
	page     []byte // pageSize long
	off, len int
	packet   bool // written with O_DIRECT: one read takes it whole
}

// Pipe is the buffer that both ends share.
type Pipe struct {
	q       wait.Queue // of both ends, told apart by their masks
	partner wait.Queue // of opens of a FIFO that wait for the other end

	mu       lock.Mutex[lock.Inode] // guards what follows
	ring     []segment              // its length is the capacity
	head     int                    // the slot read next
	used     int                    // slots with bytes
	reserved int                    // slots that a splice is about to fill
	splicing bool                   // a splice has the first bytes out
	polled   bool                   // readiness was asked for: tell every change
	spare    [][]byte               // pages for reuse, at most maxSpare

	readers, writers int
	// How many ends were ever opened: what an open that waits for its partner
	// sees change, even if the partner is gone already.
	readOpens, writeOpens uint64
}

// newPipe returns an empty pipe that nobody has open.
func newPipe() *Pipe { return &Pipe{ring: make([]segment, defaultSlots)} }

func (p *Pipe) full() bool  { return p.used+p.reserved >= len(p.ring) }
func (p *Pipe) empty() bool { return p.used == 0 }

// page returns a page to fill.
func (p *Pipe) page() []byte {
	if n := len(p.spare); n > 0 {
		b := p.spare[n-1]
		p.spare[n-1] = nil
		p.spare = p.spare[:n-1]
		return b
	}
	return make([]byte, pageSize)
}

// recycle keeps a page that is no longer used.
func (p *Pipe) recycle(b []byte) {
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, b)
	}
}

// slot returns the i-th used slot from the head.
func (p *Pipe) slot(i int) *segment {
	i += p.head
	if i >= len(p.ring) {
		i -= len(p.ring)
	}
	return &p.ring[i]
}

// push adds a segment behind the last. The caller has seen that there is room.
func (p *Pipe) push(s segment) {
	*p.slot(p.used) = s
	p.used++
}

// pop drops the first segment.
func (p *Pipe) pop() {
	s := &p.ring[p.head]
	p.recycle(s.page)
	*s = segment{}
	p.head++
	if p.head == len(p.ring) {
		p.head = 0
	}
	p.used--
}

// consume drops n bytes from the first segment, and all of it if it is a
// packet or empty then.
func (p *Pipe) consume(n int) {
	s := &p.ring[p.head]
	s.off += n
	s.len -= n
	if s.len == 0 || s.packet {
		p.pop()
	}
}

// size returns how many bytes are in the pipe.
func (p *Pipe) size() int {
	n := 0
	for i := range p.used {
		n += p.slot(i).len
	}
	return n
}

// read fills dst. EAGAIN if there is nothing and somebody may yet write.
func (p *Pipe) read(dst usermem.Buffer) (int64, error) {
	if dst.Len() == 0 {
		return 0, nil
	}
	p.mu.Lock()
	wasFull := p.full()
	n, err := p.readLocked(&dst)
	tell := n > 0 && (wasFull || p.polled)
	p.mu.Unlock()
	if tell {
		p.q.Notify(wait.Out | wait.WrNrm)
	}
	return n, err
}

func (p *Pipe) readLocked(dst *usermem.Buffer) (int64, error) {
	if p.splicing {
		return 0, unix.EAGAIN
	}
	if p.empty() {
		if p.writers == 0 {
			return 0, nil
		}
		return 0, unix.EAGAIN
	}
	var done int64
	for dst.Len() > 0 && !p.empty() {
		s := p.slot(0)
		k := int(min(uint64(s.len), dst.Len()))
		if _, err := dst.CopyOut(s.page[s.off : s.off+k]); err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		done += int64(k)
		packet := s.packet
		p.consume(k)
		if packet {
			break
		}
	}
	return done, nil
}

// write takes bytes from src as far as there is room; EAGAIN if there is none
// at all. packet keeps what one call wrote apart from other writes.
func (p *Pipe) write(t current.Task, src usermem.Buffer, packet bool) (int64, error) {
	if src.Len() == 0 {
		return 0, nil
	}
	p.mu.Lock()
	if p.readers == 0 {
		p.mu.Unlock()
		t.Signal(int(unix.SIGPIPE))
		return 0, unix.EPIPE
	}
	wasEmpty := p.empty()
	n, err := p.writeLocked(&src, packet)
	tell := n > 0 && (wasEmpty || p.polled)
	p.mu.Unlock()
	if tell {
		p.q.Notify(wait.In | wait.RdNrm)
	}
	return n, err
}

func (p *Pipe) writeLocked(src *usermem.Buffer, packet bool) (int64, error) {
	done, err := p.merge(src, packet)
	if err != nil {
		return 0, err
	}
	for src.Len() > 0 {
		if p.full() {
			if done == 0 {
				return 0, unix.EAGAIN
			}
			return done, nil
		}
		page := p.page()
		n := int(min(src.Len(), pageSize))
		if _, err := src.CopyIn(page[:n]); err != nil {
			p.recycle(page)
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		p.push(segment{page: page, len: n, packet: packet})
		done += int64(n)
	}
	return done, nil
}

// merge puts the odd bytes of src (what is more than whole pages) behind those
// of the last segment if they fit there.
func (p *Pipe) merge(src *usermem.Buffer, packet bool) (int64, error) {
	odd := int(src.Len() % pageSize)
	if odd == 0 || packet || p.empty() || p.splicing {
		return 0, nil
	}
	s := p.slot(p.used - 1)
	end := s.off + s.len
	if s.packet || end+odd > pageSize {
		return 0, nil
	}
	if _, err := src.CopyIn(s.page[end : end+odd]); err != nil {
		return 0, err
	}
	s.len += odd
	return int64(odd), nil
}

// Size returns the capacity in bytes, F_GETPIPE_SZ.
func (p *Pipe) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ring) * pageSize
}

// SetSize changes the capacity, F_SETPIPE_SZ, and returns what it is then.
func (p *Pipe) SetSize(t current.Task, size uint32) (int, error) {
	if size > 1<<31 {
		return 0, unix.EINVAL
	}
	pages := max(1, (uint64(size)+pageSize-1)/pageSize)
	slots := 1 << bits.Len64(pages-1)
	p.mu.Lock()
	if slots > len(p.ring) && slots*pageSize > maxSize {
		// Linux lets CAP_SYS_RESOURCE go on; the sentry's own memory is at stake
		// here, so nobody may.
		p.mu.Unlock()
		return 0, unix.EPERM
	}
	if slots < p.used+p.reserved || p.splicing {
		p.mu.Unlock()
		return 0, unix.EBUSY
	}
	wasFull := p.full()
	ring := make([]segment, slots)
	for i := range p.used {
		ring[i] = *p.slot(i)
	}
	p.ring, p.head = ring, 0
	tell := wasFull && !p.full()
	p.mu.Unlock()
	if tell {
		p.q.Notify(wait.Out | wait.WrNrm)
	}
	return slots * pageSize, nil
}
