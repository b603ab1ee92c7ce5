package devpts

import (
	"golang.org/x/sys/unix"
)

// maxInput bounds what waits to be read by the slave, and what was echoed and the
// master has not read: N_TTY_BUF_SIZE, in bytes.
const maxInput = 4096

// Termios is struct ktermios with 19 control characters.
type Termios = unix.Termios

// defaultTermios is what a new terminal has (tty_std_termios).
func defaultTermios() Termios {
	t := Termios{
		Iflag: unix.ICRNL | unix.IXON, Oflag: unix.OPOST | unix.ONLCR,
		Cflag:  unix.B38400 | unix.CS8 | unix.CREAD,
		Lflag:  unix.ISIG | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL | unix.ECHOKE | unix.IEXTEN,
		Ispeed: 38400, Ospeed: 38400,
	}
	for i, c := range map[int]byte{unix.VINTR: 3, unix.VQUIT: 28, unix.VERASE: 127, unix.VKILL: 21, unix.VEOF: 4,
		unix.VMIN: 1, unix.VSTART: 17, unix.VSTOP: 19, unix.VSUSP: 26, unix.VREPRINT: 18, unix.VDISCARD: 15,
		unix.VWERASE: 23, unix.VLNEXT: 22} {
		t.Cc[i] = c
	}
	return t
}

// ldisc is the N_TTY line discipline as a state machine: bytes in, edited
// input, echo and signals out. The tty's lock guards it.
type ldisc struct {
	t      Termios
	line   []byte // canonical mode: the line being edited
	marks  []bool // of line: the byte was quoted by VLNEXT
	ready  []byte // what the slave may read
	ends   []int  // canonical mode: where in ready each line ends
	eofs   []bool // of ends: the line ended by VEOF, which is not in it
	nEOF   int    // how many of eofs are true: each takes a byte's room
	column int    // of the cursor, for erasing tabs
	quote  bool   // VLNEXT was typed
	paused bool   // VSTOP was typed: output waits
	echo   []byte // for the master, not yet taken
	sigs   []unix.Signal
}

func (d *ldisc) is(lflag uint32) bool { return d.t.Lflag&lflag != 0 }

// isChar reports whether c is the control character at index i, which may be
// disabled.
func (d *ldisc) isChar(c byte, i int) bool { return c != 0 && d.t.Cc[i] == c }

// room is how many bytes of input there is room for.
func (d *ldisc) room() int { return maxInput - len(d.ready) - len(d.line) - d.nEOF }

// full reports whether input has to wait until the slave has read. A line that is
// edited goes on without room, since nobody can read it: what does not fit of it
// is lost, but it can be erased and ended.
func (d *ldisc) full() bool {
	if !d.is(unix.ICANON) {
		return d.room() <= 0
	}
	return len(d.ends) > 0 && d.room() <= 1
}

// input takes one byte that the master wrote. It is false when that has to wait.
func (d *ldisc) input(c byte) bool {
	if d.full() {
		return false
	}
	d.process(c)
	if n := len(d.echo) - maxInput; n > 0 { // the oldest is lost if nobody looks
		d.echo = d.echo[:copy(d.echo, d.echo[n:])]
	}
	return true
}

// process is input of a byte that is taken.
func (d *ldisc) process(c byte) {
	if d.t.Iflag&unix.ISTRIP != 0 {
		c &= 0x7f
	}
	if d.quote {
		d.quote = false
		d.keep(c, true)
		return
	}
	if d.t.Iflag&unix.IXON != 0 {
		switch {
		case d.isChar(c, unix.VSTOP):
			d.paused = true
			return
		case d.isChar(c, unix.VSTART):
			d.paused = false
			return
		case d.paused && d.t.Iflag&unix.IXANY != 0:
			d.paused = false
		}
	}
	if d.is(unix.ISIG) {
		switch {
		case d.isChar(c, unix.VINTR):
			d.signal(unix.SIGINT, c)
			return
		case d.isChar(c, unix.VQUIT):
			d.signal(unix.SIGQUIT, c)
			return
		case d.isChar(c, unix.VSUSP):
			d.signal(unix.SIGTSTP, c)
			return
		}
	}
	switch {
	case c == '\r' && d.t.Iflag&unix.IGNCR != 0:
		return
	case c == '\r' && d.t.Iflag&unix.ICRNL != 0:
		c = '\n'
	case c == '\n' && d.t.Iflag&unix.INLCR != 0:
		c = '\r'
	}
	if d.is(unix.ICANON) {
		d.canonical(c)
		return
	}
	d.put(c, false)
}

// signal is a typed signal: unless NOFLSH is set, what was typed and written
// before it goes.
func (d *ldisc) signal(sig unix.Signal, c byte) {
	if !d.is(unix.NOFLSH) {
		d.flushInput()
		d.echo = d.echo[:0]
	}
	d.paused = false
	if d.is(unix.ECHO) {
		d.echoChar(c, false)
	}
	d.sigs = append(d.sigs, sig)
}

// flushInput drops all input.
func (d *ldisc) flushInput() {
	d.line, d.marks, d.ready = d.line[:0], d.marks[:0], d.ready[:0]
	d.dropEnds()
}

// dropEnds forgets where lines ended.
func (d *ldisc) dropEnds() { d.ends, d.eofs, d.nEOF = d.ends[:0], d.eofs[:0], 0 }

// canonical edits the line.
func (d *ldisc) canonical(c byte) {
	switch {
	case d.isChar(c, unix.VERASE):
		d.erase(1)
	case d.isChar(c, unix.VWERASE) && d.is(unix.IEXTEN):
		d.eraseWord()
	case d.isChar(c, unix.VKILL):
		d.kill(c)
	case d.isChar(c, unix.VLNEXT) && d.is(unix.IEXTEN):
		d.quote = true
		if d.is(unix.ECHO) && d.is(unix.ECHOCTL) {
			d.echo = append(d.echo, '^', '\b')
		}
	case d.isChar(c, unix.VREPRINT) && d.is(unix.IEXTEN) && d.is(unix.ECHO):
		d.echoChar(c, false)
		d.out('\n')
		for i, b := range d.line {
			d.echoChar(b, d.marks[i])
		}
	case d.isChar(c, unix.VEOF):
		d.endLine(true)
	case c == '\n':
		if d.is(unix.ECHO) || d.is(unix.ECHONL) {
			d.out('\n')
		}
		d.line, d.marks = append(d.line, c), append(d.marks, false)
		d.endLine(false)
	case d.isChar(c, unix.VEOL), d.isChar(c, unix.VEOL2) && d.is(unix.IEXTEN):
		d.put(c, false)
		d.endLine(false)
	default:
		d.keep(c, false)
	}
}

// keep puts a character into the line if it has room: the last place is for what
// ends it.
func (d *ldisc) keep(c byte, quoted bool) {
	if d.is(unix.ICANON) && d.room() <= 1 {
		if d.t.Iflag&unix.IMAXBEL != 0 {
			d.echo = append(d.echo, 7)
		}
		return
	}
	d.put(c, quoted)
}

// put takes an ordinary character in, and echoes it.
func (d *ldisc) put(c byte, quoted bool) {
	if d.is(unix.ICANON) {
		d.line, d.marks = append(d.line, c), append(d.marks, quoted)
	} else {
		d.ready = append(d.ready, c)
	}
	if d.is(unix.ECHO) {
		if c == '\n' && !quoted {
			d.out('\n')
			return
		}
		d.echoChar(c, quoted)
	}
}

// endLine makes the line readable.
func (d *ldisc) endLine(eof bool) {
	d.ready = append(d.ready, d.line...)
	d.ends, d.eofs = append(d.ends, len(d.ready)), append(d.eofs, eof)
	d.line, d.marks = d.line[:0], d.marks[:0]
	if eof {
		d.nEOF++
	}
}

// echoChar shows c as it was typed, control characters as ^X.
func (d *ldisc) echoChar(c byte, quoted bool) {
	if d.is(unix.ECHOCTL) && (c < ' ' && (quoted || c != '\t') || c == 127) {
		d.echo = append(d.echo, '^', c^0x40)
		d.column += 2
		return
	}
	d.out(c)
}

// width is how many columns the byte at i of the line takes on the screen.
func (d *ldisc) width(i int) int {
	c := d.line[i]
	switch {
	case c == '\t' && !d.marks[i]:
		return 0
	case c < ' ' || c == 127:
		if d.is(unix.ECHOCTL) {
			return 2
		}
		return 0
	case d.t.Iflag&unix.IUTF8 != 0 && c&0xc0 == 0x80:
		return 0
	}
	return 1
}

// erase removes n characters from the end of the line.
func (d *ldisc) erase(n int) {
	for ; n > 0 && len(d.line) > 0; n-- {
		last := len(d.line) - 1
		if d.t.Iflag&unix.IUTF8 != 0 {
			for last > 0 && d.line[last]&0xc0 == 0x80 {
				last--
			}
		}
		c, w := d.line[last], d.width(last)
		tab := c == '\t' && !d.marks[last]
		d.line, d.marks = d.line[:last], d.marks[:last]
		if !d.is(unix.ECHO) {
			continue
		}
		switch {
		case !d.is(unix.ECHOE):
			d.echoChar(d.t.Cc[unix.VERASE], false)
		case tab:
			d.eraseTab()
		default:
			for range w {
				d.echo = append(d.echo, '\b', ' ', '\b')
				d.column--
			}
		}
	}
}

// eraseTab moves the cursor back to where it was before the tab.
func (d *ldisc) eraseTab() {
	col := 0
	for i := range d.line {
		if d.line[i] == '\t' && !d.marks[i] {
			col = col&^7 + 8
		} else {
			col += d.width(i)
		}
	}
	for n := 8 - col%8; n > 0; n-- {
		d.echo = append(d.echo, '\b')
		d.column--
	}
}

// eraseWord removes blanks, and the word before them.
func (d *ldisc) eraseWord() {
	seen := false
	for len(d.line) > 0 {
		c := d.line[len(d.line)-1]
		word := c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
		if seen && !word {
			return
		}
		seen = seen || word
		d.erase(1)
	}
}

// kill removes the whole line.
func (d *ldisc) kill(c byte) {
	switch {
	case !d.is(unix.ECHO):
		d.line, d.marks = d.line[:0], d.marks[:0]
	case d.is(unix.ECHOK) && d.is(unix.ECHOKE) && d.is(unix.ECHOE):
		d.erase(len(d.line))
	default:
		d.line, d.marks = d.line[:0], d.marks[:0]
		d.echoChar(c, false)
		if d.is(unix.ECHOK) {
			d.out('\n')
		}
	}
}

// out echoes a character as output processing makes it.
func (d *ldisc) out(c byte) { d.echo = d.output(d.echo, c) }

// output appends what c becomes on its way to the screen (OPOST).
func (d *ldisc) output(dst []byte, c byte) []byte {
	o := d.t.Oflag
	if o&unix.OPOST == 0 {
		return append(dst, c)
	}
	switch c {
	case '\n':
		if o&unix.ONLRET != 0 {
			d.column = 0
		}
		if o&unix.ONLCR != 0 {
			d.column = 0
			return append(dst, '\r', '\n')
		}
	case '\r':
		if o&unix.ONOCR != 0 && d.column == 0 {
			return dst
		}
		if o&unix.OCRNL != 0 {
			return append(dst, '\n')
		}
		d.column = 0
	case '\t':
		n := 8 - d.column&7
		d.column += n
		if o&unix.TABDLY == unix.XTABS {
			return append(dst, "        "[:n]...)
		}
	case '\b':
		if d.column > 0 {
			d.column--
		}
	default:
		if o&unix.OLCUC != 0 && c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c >= ' ' && !(d.t.Iflag&unix.IUTF8 != 0 && c&0xc0 == 0x80) {
			d.column++
		}
	}
	return append(dst, c)
}

// readable is how many bytes a read may take at once; eof says that it is the
// end of file.
func (d *ldisc) readable() (n int, eof bool) {
	if !d.is(unix.ICANON) {
		return len(d.ready), false
	}
	if len(d.ends) == 0 {
		return 0, false
	}
	return d.ends[0], d.eofs[0] && d.ends[0] == 0
}

// take removes n bytes that were read, of one line at most in canonical mode. A
// VEOF that ended the line goes with its last byte.
func (d *ldisc) take(n int) {
	d.ready = d.ready[:copy(d.ready, d.ready[n:])]
	for i := range d.ends {
		d.ends[i] -= n
	}
	if len(d.ends) > 0 && d.ends[0] <= 0 {
		d.takeEOF()
	}
}

// takeEOF drops the first line's end.
func (d *ldisc) takeEOF() {
	if d.eofs[0] {
		d.nEOF--
	}
	d.ends, d.eofs = d.ends[1:], d.eofs[1:]
}

// setTermios changes modes; leaving canonical mode makes everything readable,
// entering it makes one line of what is there.
func (d *ldisc) setTermios(t Termios) {
	was := d.is(unix.ICANON)
	d.t = t
	if now := d.is(unix.ICANON); was == now {
		return
	} else if now {
		d.dropEnds()
		if len(d.ready) > 0 {
			d.ends, d.eofs = append(d.ends, len(d.ready)), append(d.eofs, false)
		}
		return
	}
	d.ready = append(d.ready, d.line...)
	d.line, d.marks = d.line[:0], d.marks[:0]
	d.dropEnds()
}
