package stack

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/dgram"
	"hull/netstack/tcp"
)

// writeChunk is where a writer's bytes go: small writes share a chunk.
type writeChunk struct {
	c    *buffer.Chunk
	used int
}

func (w *writeChunk) drop() {
	if w.c != nil {
		w.c.Release()
	}
	*w = writeChunk{}
}

// largeWrite is from how many bytes on a large chunk is used.
const largeWrite = 8 << 10

// sendBurst is the most bytes that are copied before they are given to the engine.
const sendBurst = 256 << 10

// room returns bytes to be overwritten, at most n.
func (w *writeChunk) room(p *buffer.Pool, n int) []byte {
	if w.c != nil && w.used == len(w.c.Bytes()) {
		w.drop()
	}
	if w.c != nil && n >= largeWrite && len(w.c.Bytes())-w.used < buffer.SmallChunk {
		w.drop()
	}
	if w.c == nil {
		size := buffer.SmallChunk
		if n >= largeWrite {
			size = 64 << 10
		}
		w.c, w.used = p.Get(size), 0
	}
	b := w.c.Bytes()[w.used:]
	return b[:min(len(b), n)]
}

// take returns a view of n bytes that were written to what room returned.
func (w *writeChunk) take(n int) buffer.View {
	w.c.Ref()
	v := buffer.NewView(w.c, w.used, w.used+n)
	w.used += n
	return v
}

// Send is sendmsg(2) on a stream: EAGAIN, EPIPE, ENOTCONN, or the error that the
// connection ended with.
func (t *tcpSocket) Send(src io.Reader, n int, m *SendMeta) (int, error) {
	t.wr.Lock()
	defer t.wr.Unlock()
	if m == nil {
		m = &SendMeta{}
	}
	t.mu.Lock()
	deferred := t.opts.deferred
	t.mu.Unlock()
	if m.Flags&unix.MSG_FASTOPEN != 0 || deferred != nil {
		if sent, err, done := t.sendOpening(src, n, m, deferred); done {
			return sent, err
		}
	}
	sent := 0
	for {
		room, err := t.sendRoom(n - sent)
		if err != nil {
			if sent > 0 {
				break
			}
			return 0, err
		}
		if n == 0 {
			return 0, nil
		}
		vs, k, err := t.copyIn(src, min(room, sendBurst))
		if k > 0 {
			last := sent+k == n
			t.mu.Lock()
			now := t.stack.now()
			if t.conn == nil || !t.conn.CanWrite() {
				t.mu.Unlock()
				releaseViews(vs)
				break
			}
			t.conn.Write(now, vs, m.Flags&unix.MSG_MORE != 0 || !last && n-sent > k && room > k, last && m.Flags&unix.MSG_OOB != 0)
			t.absorb(now)
			t.unlock(now)
			sent += k
		}
		if err != nil {
			if sent == 0 {
				return 0, err
			}
			break
		}
		if sent == n {
			break
		}
	}
	if sent > 0 && m.Flags&unix.MSG_ZEROCOPY != 0 {
		t.zeroSent()
	}
	return sent, nil
}

// sendRoom returns how many of n bytes may be queued now.
func (t *tcpSocket) sendRoom(n int) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.err != 0:
		return 0, t.takeError()
	case t.conn == nil || t.wrShut || t.phase == tcpListening:
		return 0, unix.EPIPE
	}
	switch t.conn.State() {
	case tcp.SynSent, tcp.SynReceived:
		if _, _, taken := t.conn.FastOpened(); !taken || t.parent == nil && !t.completedOnce && t.conn.State() == tcp.SynSent {
			t.noSpace = true
			return 0, unix.EAGAIN
		}
	case tcp.Closed, tcp.TimeWaiting:
		return 0, unix.EPIPE
	}
	room := t.conn.Space()
	if low := t.notSentLowat(); t.conn.NotSent() >= low {
		room = 0
	}
	if t.stack.tcpFull() && t.conn.Queued() > 0 {
		room = 0 // what is queued must leave first
	}
	if room <= 0 {
		t.noSpace = true
		return 0, unix.EAGAIN
	}
	return min(room, n), nil
}

// notSentLowat is TCP_NOTSENT_LOWAT.
func (t *tcpSocket) notSentLowat() int {
	if n := t.opts.notSent; n != 0 {
		return n
	}
	return t.stack.tcpTunables().NotSentLowat
}

// copyIn reads n bytes of src into chunks, without the lock.
func (t *tcpSocket) copyIn(src io.Reader, n int) ([]buffer.View, int, error) {
	vs := t.wrViews[:0]
	got := 0
	for got < n {
		b := t.tail.room(t.stack.cfg.Pool, n-got)
		k, err := io.ReadFull(src, b)
		if k > 0 {
			v := t.tail.take(k)
			joined := false
			if i := len(vs) - 1; i >= 0 {
				vs[i], joined = vs[i].Join(v)
			}
			if !joined {
				vs = append(vs, v)
			}
			got += k
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			return vs, got, err
		}
	}
	return vs, got, nil
}

// sendOpening is a send that opens the connection, too: MSG_FASTOPEN and
// TCP_FASTOPEN_CONNECT. done is false if it is to go on as any other.
func (t *tcpSocket) sendOpening(src io.Reader, n int, m *SendMeta, to *Address) (sent int, err error, done bool) {
	if t.stack.tcpTunables().FastOpen&1 == 0 {
		return 0, unix.EOPNOTSUPP, true
	}
	t.mu.Lock()
	if t.phase != tcpUnconnected {
		connected := t.phase != tcpListening
		t.opts.deferred = nil
		t.mu.Unlock()
		if !connected || to == nil && m.To != nil {
			return 0, unix.EISCONN, true
		}
		return 0, nil, false
	}
	if to == nil {
		to = m.To
	}
	t.opts.fastOpenData = true
	t.mu.Unlock()
	if to == nil {
		return 0, unix.EINVAL, true
	}
	vs, k, err := t.copyIn(src, min(n, 64<<10))
	if err != nil && k == 0 {
		return 0, err, true
	}
	queued := false
	err = t.connect(*to, func(c *tcp.Conn, now int64) {
		queued = true
		c.Write(now, vs, m.Flags&unix.MSG_MORE != 0, false)
	})
	t.mu.Lock()
	t.opts.deferred, t.opts.fastOpenData = nil, false
	t.mu.Unlock()
	if !queued {
		releaseViews(vs)
		return 0, err, true
	}
	t.mu.Lock()
	_, left, _ := t.conn.FastOpened()
	t.mu.Unlock()
	if !left && err == unix.EINPROGRESS && k == 0 {
		return 0, err, true
	}
	return k, nil, true
}

// Recv is recvmsg(2) on a stream: EAGAIN, ENOTCONN, or the error that the
// connection ended with.
func (t *tcpSocket) Recv(dst io.Writer, n int, m *RecvMeta) (int, error) {
	if m == nil {
		m = &RecvMeta{}
	}
	flags := m.Flags
	m.Flags = 0
	switch {
	case flags&unix.MSG_ERRQUEUE != 0:
		return t.recvError(dst, n, m)
	case flags&unix.MSG_OOB != 0:
		return t.recvUrgent(dst, n, m, flags)
	}
	t.rd.Lock()
	defer t.rd.Unlock()
	peek := flags&unix.MSG_PEEK != 0
	var off, first int64
	got := 0
	var failed error
	if peek {
		t.mu.Lock()
		if t.peekOff > 0 {
			off = int64(t.peekOff)
		}
		t.mu.Unlock()
		first = off
		if n := min(n, m.Least); n > 1 && !t.peekable(off, n) {
			return 0, unix.EAGAIN
		}
	}
	for got < n {
		t.mu.Lock()
		if err := t.recvCheck(); err != nil {
			t.mu.Unlock()
			return 0, err
		}
		vs, next := t.conn.Read(t.scratch[:0], off, int64(min(n-got, sendBurst)))
		if len(vs) == 0 {
			if got > 0 {
				t.mu.Unlock()
				break
			}
			end, err := t.recvEmpty()
			t.mu.Unlock()
			if !end {
				return 0, err
			}
			break
		}
		t.mu.Unlock()
		k := t.copyOut(dst, vs, flags, &failed)
		skipped := next - off - viewsSize(vs)
		releaseViews(vs)
		clear(vs)
		t.scratch = vs[:0]
		off += skipped + int64(k)
		got += k
		if failed != nil {
			break
		}
		if t.atMark(off) {
			break // Linux stops before urgent data
		}
	}
	if !peek && off > 0 {
		t.consume(off)
	} else if peek && got > 0 {
		t.mu.Lock()
		if t.peekOff >= 0 {
			t.peekOff += int(off - first)
		}
		t.mu.Unlock()
	}
	if got == 0 && failed != nil {
		return 0, failed
	}
	t.mu.Lock()
	if t.opts.inq {
		m.Control |= WantInq
		m.Inq = t.inq()
	}
	t.mu.Unlock()
	return got, nil
}

// peekable reports whether there are n bytes from off on, or no more will come.
func (t *tcpSocket) peekable(off int64, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn == nil || t.phase == tcpListening || int64(t.conn.Readable())-off >= int64(n) ||
		t.conn.PeerClosed() || t.err != 0 || t.rdShut || t.conn.State() == tcp.Closed
}

func viewsSize(vs []buffer.View) int64 {
	n := int64(0)
	for _, v := range vs {
		n += int64(v.Len())
	}
	return n
}

// copyOut writes views to dst, without the lock; with MSG_TRUNC they are only counted.
func (t *tcpSocket) copyOut(dst io.Writer, vs []buffer.View, flags int, failed *error) int {
	got := 0
	for _, v := range vs {
		if flags&unix.MSG_TRUNC != 0 {
			got += v.Len()
			continue
		}
		k, err := dst.Write(v.Bytes())
		got += k
		if err != nil || k < v.Len() {
			if *failed = err; err == nil {
				*failed = unix.EFAULT
			}
			break
		}
	}
	return got
}

// recvCheck is what stands before any read. The caller holds the lock.
func (t *tcpSocket) recvCheck() error {
	if t.phase == tcpListening || t.conn == nil {
		if t.err != 0 {
			return t.takeError()
		}
		return unix.ENOTCONN
	}
	return nil
}

// recvEmpty is a read that finds nothing. end says that it returns 0 bytes.
func (t *tcpSocket) recvEmpty() (end bool, err error) {
	switch {
	case t.conn.PeerClosed():
		return true, nil
	case t.err != 0:
		return false, t.takeError()
	case t.rdShut:
		return true, nil
	case t.conn.State() == tcp.Closed:
		return true, nil
	}
	return false, unix.EAGAIN
}

// atMark reports whether the byte off after the next one is the urgent one.
func (t *tcpSocket) atMark(off int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn != nil && t.conn.MarkAt(off)
}

// consume gives back what was read.
func (t *tcpSocket) consume(n int64) {
	now := t.stack.now()
	t.mu.Lock()
	if t.conn == nil || t.dead.Load() {
		t.mu.Unlock()
		return
	}
	t.conn.Consume(now, n)
	if t.peekOff > 0 {
		t.peekOff = max(0, t.peekOff-int(n))
	}
	t.absorb(now)
	t.unlock(now)
}

// recvUrgent is MSG_OOB: EINVAL, EAGAIN, ENOTCONN.
func (t *tcpSocket) recvUrgent(dst io.Writer, n int, m *RecvMeta, flags int) (int, error) {
	t.mu.Lock()
	if err := t.recvCheck(); err != nil {
		t.mu.Unlock()
		return 0, err
	}
	b, err := t.conn.Urgent(flags&unix.MSG_PEEK != 0)
	if err == unix.EAGAIN && (t.rdShut || t.conn.State() == tcp.Closed) {
		t.mu.Unlock()
		return 0, nil
	}
	t.mu.Unlock()
	if err != nil {
		return 0, err
	}
	m.Flags |= unix.MSG_OOB
	if n == 0 {
		m.Flags |= unix.MSG_TRUNC
		return 0, nil
	}
	if flags&unix.MSG_TRUNC != 0 {
		return 1, nil
	}
	if _, err := dst.Write([]byte{b}); err != nil {
		return 0, err
	}
	return 1, nil
}

// recvError is MSG_ERRQUEUE: EAGAIN.
func (t *tcpSocket) recvError(dst io.Writer, n int, m *RecvMeta) (int, error) {
	t.mu.Lock()
	e, ok := t.errs.Pop()
	t.mu.Unlock()
	if !ok {
		return 0, unix.EAGAIN
	}
	defer e.Release()
	m.Flags |= unix.MSG_ERRQUEUE
	m.Err = &e
	return 0, nil
}

// queueError keeps an ICMP error for IP_RECVERR. The caller holds the lock.
func (t *tcpSocket) queueError(e *icmpError) {
	origin := uint8(dgram.OriginICMP)
	if e.v6 {
		origin = dgram.OriginICMP6
	}
	t.errs.Push(dgram.Error{Errno: e.meaning.Errno, Origin: origin, Type: e.typ, Code: e.code, Info: e.info, Offender: e.offender, To: t.peer, IIF: e.iif})
	t.events |= unix.EPOLLERR
}

// zeroCopy is the sends with MSG_ZEROCOPY whose completion was not told. The bytes
// are copied at once, so a completion says so, and comes when they are acknowledged.
type zeroCopy struct {
	next uint32 // number of the next send
	list []zeroSend
}

type zeroSend struct {
	number uint32
	end    int64
}

// maxZeroSends bounds what waits for an acknowledgment: more are told at once.
const maxZeroSends = 1024

// zeroSent notes a send with MSG_ZEROCOPY, if the socket has SO_ZEROCOPY.
func (t *tcpSocket) zeroSent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flags&fZeroCopy == 0 || t.conn == nil {
		return
	}
	queued, _ := t.conn.Sequence()
	t.zero.list = append(t.zero.list, zeroSend{t.zero.next, queued})
	t.zero.next++
	if len(t.zero.list) > maxZeroSends {
		t.zero.list[0].end = 0
	}
	t.zeroAcked()
	if t.events&unix.EPOLLERR != 0 {
		// Told by whoever gives the lock up next: at the latest by the next segment.
		ev := t.events
		t.events = 0
		defer t.wake(ev)
	}
}

// zeroAcked tells of the sends that are acknowledged. The caller holds the lock.
func (t *tcpSocket) zeroAcked() {
	if len(t.zero.list) == 0 {
		return
	}
	_, acked := t.conn.Sequence()
	over := t.conn.State() == tcp.Closed
	n := 0
	for n < len(t.zero.list) && (over || t.zero.list[n].end <= acked) {
		n++
	}
	if n == 0 {
		return
	}
	lo, hi := t.zero.list[0].number, t.zero.list[n-1].number
	t.zero.list = t.zero.list[n:]
	if len(t.zero.list) == 0 {
		t.zero.list = nil
	}
	if last := t.errs.Last(); last != nil && last.Origin == dgram.OriginZeroCopy && last.Data+1 == lo {
		last.Data = hi
	} else {
		t.errs.Push(dgram.Error{Origin: dgram.OriginZeroCopy, Code: dgram.ZeroCopyCopied, Info: lo, Data: hi, To: t.peer})
	}
	t.events |= unix.EPOLLERR
}
