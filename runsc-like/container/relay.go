package container

import (
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// relay connects the caller's own terminal with a pseudoterminal's master, for
// as long as a process in the foreground has the slave.
type relay struct {
	master *os.File
	in     *os.File
	modes  *unix.Termios // of in, to be put back; nil if it is no terminal
	resize chan os.Signal
	drain  chan struct{} // closed when all output is written
}

// startRelay takes over master.
func startRelay(master, in, out *os.File) *relay {
	r := &relay{master: master, in: in, resize: make(chan os.Signal, 1), drain: make(chan struct{})}
	if m, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS); err == nil {
		r.modes = m
		raw := *m
		raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		raw.Oflag &^= unix.OPOST
		raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		_ = unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &raw)
		r.copySize()
		signal.Notify(r.resize, unix.SIGWINCH)
		go func() {
			for range r.resize {
				r.copySize()
			}
		}()
	}
	go func() { _, _ = io.Copy(master, in) }() // ends with the caller, or with its input
	go func() {
		defer close(r.drain)
		_, _ = io.Copy(out, master) // ends with EIO, when nobody has the slave any more
	}()
	return r
}

// copySize gives the pseudoterminal the terminal's size.
func (r *relay) copySize() {
	if w, err := unix.IoctlGetWinsize(int(r.in.Fd()), unix.TIOCGWINSZ); err == nil && (w.Row != 0 || w.Col != 0) { // else it is consoleSize's
		_ = unix.IoctlSetWinsize(int(r.master.Fd()), unix.TIOCSWINSZ, w)
	}
}

// stop waits for the last of the output, and puts the terminal's modes back.
func (r *relay) stop() {
	select {
	case <-r.drain:
	case <-time.After(patience): // something in the background keeps the slave
	}
	if r.modes != nil {
		signal.Stop(r.resize)
		close(r.resize)
		_ = unix.IoctlSetTermios(int(r.in.Fd()), unix.TCSETSW, r.modes)
	}
	r.master.Close()
}
