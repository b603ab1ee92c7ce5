package pipe

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"hull/sentry/current"
	"hull/sentry/usermem"
	"hull/sentry/wait"
)

// Fill moves up to max bytes into p, splice(2) from a file. from is called once
// or more with room to fill, without p's lock, and returns how much it read; a
// short count ends the call. EAGAIN if p is full, EPIPE if nobody reads it.
func (p *Pipe) Fill(max uint64, from func(dst usermem.Buffer) (int64, error)) (int64, error) {
	var done int64
	for uint64(done) < max {
		p.mu.Lock()
		if p.readers == 0 {
			p.mu.Unlock()
			return some(done, unix.EPIPE)
		}
		if p.full() {
			p.mu.Unlock()
			return some(done, unix.EAGAIN)
		}
		p.reserved++
		page := p.page()
		p.mu.Unlock()

		want := min(max-uint64(done), pageSize)
		n, err := from(usermem.BytesBuffer(page[:want]))

		p.mu.Lock()
		p.reserved--
		wasEmpty := p.empty()
		if n > 0 {
			p.push(segment{page: page, len: int(n)})
		} else {
			p.recycle(page)
		}
		p.mu.Unlock()
		if n > 0 {
			done += n
			if wasEmpty || p.wasPolled() {
				p.q.Notify(wait.In | wait.RdNrm)
			}
		} else {
			p.q.Notify(wait.Out | wait.WrNrm) // the reserved slot is free again
		}
		if err != nil {
			return some(done, err)
		}
		if uint64(n) < want {
			break
		}
	}
	return done, nil
}

// Drain moves up to max bytes out of p, splice(2) to a file. to is called with
// what is to be written, without p's lock, and returns how much it took; a short
// count ends the call. Meanwhile other readers see EAGAIN. EAGAIN if p is empty
// and somebody may yet write.
func (p *Pipe) Drain(max uint64, to func(src usermem.Buffer) (int64, error)) (int64, error) {
	var done int64
	for uint64(done) < max {
		p.mu.Lock()
		if p.splicing || p.empty() {
			eof := !p.splicing && p.writers == 0
			p.mu.Unlock()
			if eof {
				return done, nil
			}
			return some(done, unix.EAGAIN)
		}
		p.splicing = true
		s := p.slot(0)
		data := s.page[s.off : s.off+int(min(uint64(s.len), max-uint64(done)))]
		p.mu.Unlock()

		n, err := to(usermem.BytesBuffer(data))

		p.mu.Lock()
		p.splicing = false
		wasFull := p.full()
		if n > 0 {
			p.consume(int(n))
		}
		tellOut := n > 0 && (wasFull || p.polled)
		p.mu.Unlock()
		if tellOut {
			p.q.Notify(wait.Out | wait.WrNrm)
		}
		// Whoever was refused meanwhile looks again, be it only for the end.
		p.q.Notify(wait.In | wait.RdNrm)
		done += n
		if err != nil {
			return some(done, err)
		}
		if n < int64(len(data)) {
			break
		}
	}
	return done, nil
}

// Transfer moves up to max bytes from one pipe to another, or with keep copies
// them (tee(2)). EAGAIN if from is empty or to is full.
func Transfer(to, from *Pipe, max uint64, keep bool) (int64, error) {
	if to == from {
		return 0, unix.EINVAL
	}
	lockBoth(to, from)
	wasFull, wasEmpty := from.full(), to.empty()
	n, err := transfer(to, from, max, keep)
	tellOut := n > 0 && !keep && (wasFull || from.polled)
	tellIn := n > 0 && (wasEmpty || to.polled)
	to.mu.Unlock()
	from.mu.Unlock()
	if tellOut {
		from.q.Notify(wait.Out | wait.WrNrm)
	}
	if tellIn {
		to.q.Notify(wait.In | wait.RdNrm)
	}
	return n, err
}

func transfer(to, from *Pipe, max uint64, keep bool) (int64, error) {
	var done int64
	if to.readers == 0 {
		return 0, unix.EPIPE
	}
	if from.splicing {
		return 0, unix.EAGAIN
	}
	for i := 0; uint64(done) < max; {
		if i == from.used {
			if from.writers == 0 {
				return done, nil
			}
			return some(done, unix.EAGAIN)
		}
		if to.full() {
			return some(done, unix.EAGAIN)
		}
		s := from.slot(i)
		n := int(min(uint64(s.len), max-uint64(done)))
		out := segment{packet: s.packet, len: n}
		if keep || n < s.len {
			out.page = to.page()
			copy(out.page, s.page[s.off:s.off+n])
		} else {
			out.page, out.off = s.page, s.off
		}
		switch {
		case keep:
			i++
		case n < s.len:
			from.consume(n)
		default:
			// The page goes over; its slot stays behind empty.
			s.page = nil
			from.drop()
		}
		to.push(out)
		done += int64(n)
	}
	return done, nil
}

// drop is pop of a slot whose page was given away.
func (p *Pipe) drop() {
	p.ring[p.head] = segment{}
	p.head++
	if p.head == len(p.ring) {
		p.head = 0
	}
	p.used--
}

func (p *Pipe) wasPolled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.polled
}

// lockBoth locks the pipe at the lower address first.
func lockBoth(a, b *Pipe) {
	if uintptr(unsafe.Pointer(a)) > uintptr(unsafe.Pointer(b)) {
		a, b = b, a
	}
	a.mu.Lock()
	b.mu.Nested()
}

// some is the result of a call that moved done bytes before err.
func some(done int64, err error) (int64, error) {
	if done > 0 {
		return done, nil
	}
	return 0, err
}

// AsReader and AsWriter wait for a pipe regardless of the descriptor's own
// direction; splice(2) waits for the pipe and not for its partner.
func (p *Pipe) AsReader() wait.Waitable { return &end{p: p, reads: true} }

// AsWriter is AsReader for room to write.
func (p *Pipe) AsWriter() wait.Waitable { return &end{p: p, writes: true} }

// TryRead and TryWrite are one read or write that does not wait, vmsplice(2).
func (p *Pipe) TryRead(dst usermem.Buffer) (int64, error) { return p.read(dst) }

// TryWrite is TryRead for writing.
func (p *Pipe) TryWrite(t current.Task, src usermem.Buffer) (int64, error) {
	return p.write(t, src, false)
}
