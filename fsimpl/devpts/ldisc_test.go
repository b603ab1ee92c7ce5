package devpts

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// typed is a line discipline that got input, and how much of it was taken.
func typed(input string) (*ldisc, int) {
	d := &ldisc{t: defaultTermios()}
	for i := range len(input) {
		if !d.input(input[i]) {
			return d, i
		}
	}
	return d, len(input)
}

// read takes what can be read at once, as the slave does.
func (d *ldisc) read() string {
	n, eof := d.readable()
	if eof {
		d.takeEOF()
		return ""
	}
	s := string(d.ready[:n])
	d.take(n)
	return s
}

// bounded fails the test if d holds more than it may.
func bounded(t *testing.T, d *ldisc) {
	t.Helper()
	if n := len(d.ready) + len(d.line) + d.nEOF; n > maxInput {
		t.Errorf("%d bytes of input", n)
	}
	if len(d.ends) > maxInput || len(d.eofs) != len(d.ends) || len(d.marks) != len(d.line) {
		t.Errorf("%d ends, %d that are of files; %d marks of %d bytes", len(d.ends), len(d.eofs), len(d.marks), len(d.line))
	}
	if len(d.echo) > maxInput {
		t.Errorf("%d bytes of echo", len(d.echo))
	}
	n, last := 0, 0
	for i, at := range d.ends {
		if at < last || at > len(d.ready) {
			t.Errorf("line %d ends at %d, after %d, of %d", i, at, last, len(d.ready))
		}
		last = at
		if d.eofs[i] {
			n++
		}
	}
	if n != d.nEOF {
		t.Errorf("%d ends of files, counted %d", n, d.nEOF)
	}
}

// TestNobodyReads: whatever is typed, no more is held than there is room for.
func TestNobodyReads(t *testing.T) {
	for name, c := range map[string]struct {
		input string
		taken int // 0: all
	}{
		"letters":       {strings.Repeat("a", 10000), 0}, // a line may be edited on and on
		"empty lines":   {strings.Repeat("\n", 10000), 4095},
		"lines":         {strings.Repeat("ab\n", 10000), 4095},
		"ends of file":  {strings.Repeat("\x04", 10000), 4095},
		"quoted":        {strings.Repeat("\x16\x03", 10000), 0},
		"shown again":   {strings.Repeat("a", 4000) + strings.Repeat("\x12", 1000), 0},
		"killed":        {strings.Repeat("abc\x15", 5000), 0},
		"a long line":   {strings.Repeat("a", 5000) + "\n" + "b", 5001},
		"after erasing": {strings.Repeat("a", 5000) + "\x7f\x7fb\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, n := typed(c.input)
			if want := c.taken; n != want && (want != 0 || n != len(c.input)) {
				t.Errorf("%d bytes of %d were taken, want %d", n, len(c.input), want)
			}
			bounded(t, d)
			if d.full() {
				for d.full() {
					d.read()
				}
				if !d.input('x') {
					t.Error("it has room, and takes nothing")
				}
				bounded(t, d)
			}
		})
	}
}

func TestLines(t *testing.T) {
	d, _ := typed("one\ntw\x7fwo\nend\x04\x04rest")
	for i, want := range []string{"one\n", "two\n", "end", "", ""} {
		if got := d.read(); got != want {
			t.Errorf("read %d: %q, want %q", i, got, want)
		}
		bounded(t, d)
	}
	d.input('\n')
	if got := d.read(); got != "rest\n" {
		t.Errorf("%q", got)
	}
}

// TestRaw: without lines the room is that of all that is there, and a change of
// modes keeps it.
func TestRaw(t *testing.T) {
	d := &ldisc{t: defaultTermios()}
	raw := d.t
	raw.Lflag &^= unix.ICANON
	d.setTermios(raw)
	n := 0
	for d.input('\n') {
		n++
	}
	if n != maxInput {
		t.Errorf("%d bytes were taken", n)
	}
	d.setTermios(defaultTermios())
	if d.input('x') {
		t.Error("there was room")
	}
	bounded(t, d)
	if got := d.read(); len(got) != maxInput || !d.input('x') {
		t.Errorf("%d bytes were read", len(got))
	}
}

// FuzzInput types anything in any mode, with reads in between.
func FuzzInput(f *testing.F) {
	f.Add([]byte("ls\x7f\x03\x04\n\x12\x15\x16\x17\r\n"), uint32(0), uint32(0), uint32(0))
	f.Add([]byte("\x00\xff\x01\x80\t\t\x7f"), uint32(unix.IUTF8), uint32(unix.TABDLY), uint32(unix.ICANON))
	f.Fuzz(func(t *testing.T, input []byte, i, o, l uint32) {
		d := &ldisc{t: defaultTermios()}
		for at, c := range input {
			switch {
			case c == 0xff:
				d.read()
			case c == 0xfe: // other modes, and back
				x := d.t
				x.Iflag, x.Oflag, x.Lflag = x.Iflag^i, x.Oflag^o, x.Lflag^l
				d.setTermios(x)
			case c == 0xfd && at+1 < len(input):
				d.t.Cc[unix.VEOL] = input[at+1]
			default:
				for range 1 + int(c)%3*1000 {
					d.input(c)
				}
			}
			bounded(t, d)
		}
	})
}
