package container

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
)

// forwarder passes the caller's signals on to the guest.
//
// The host's terminal sends ^C, ^\, ^Z and a new size to the process group of
// the caller, so they arrive here, and go to the guest's foreground process
// group. Other signals are meant for the program that was started: they go to
// the guest's first process. When that one stops, hull stops too, so that the
// shell that started hull notices.
type forwarder struct {
	conn     *control.Conn
	terminal bool // the guest's process has the terminal that this process has
	stopped  bool // the guest's process is stopped
	ch       chan os.Signal
	wake     chan wake
	done     chan struct{}
}

// wake is what the conversation tells the forwarder.
type wake int

const (
	wakeReady   wake = iota // the guest can take signals
	wakeSuspend             // its first process is stopped
)

// ignored are the signals that the caller has this process ignore, as nohup(1)
// does: the guest starts with them ignored, as if it were run directly. Those
// that Go's runtime has taken over before anybody could look are not among them.
func ignored() uint64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if hex, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			if err != nil {
				return 0
			}
			return set
		}
	}
	return 0
}

// forwardSignals starts passing on the signals of this process, but for those in
// ignored, on conn.
func forwardSignals(conn *control.Conn, terminal bool, ignored uint64) *forwarder {
	f := &forwarder{
		conn: conn, terminal: terminal, ch: make(chan os.Signal, 64), wake: make(chan wake, 16), done: make(chan struct{}),
	}
	for _, sig := range control.Forwarded() {
		if ignored&(1<<(sig-1)) == 0 {
			signal.Notify(f.ch, sig)
		}
	}
	go f.run()
	return f
}

// ready and suspend are called by the conversation.
func (f *forwarder) ready() { f.wake <- wakeReady }

func (f *forwarder) suspend() { f.wake <- wakeSuspend }

// stop ends the forwarding.
func (f *forwarder) stop() {
	signal.Stop(f.ch)
	close(f.wake)
	<-f.done
}

func (f *forwarder) run() {
	defer close(f.done)
	var pending []os.Signal // until the guest can take them
	ready := false
	for {
		select {
		case w, ok := <-f.wake:
			switch {
			case !ok:
				return
			case w == wakeReady:
				ready = true
				for _, sig := range pending {
					f.send(sig)
				}
				pending = nil
			case w == wakeSuspend:
				f.stopped = true
				// The whole sandbox's guest is at rest; what wakes this process
				// is a SIGCONT, which is passed on below.
				_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
			}
		case sig := <-f.ch:
			if ready {
				f.send(sig)
			} else if sig == unix.SIGINT || sig == unix.SIGTERM || sig == unix.SIGHUP || sig == unix.SIGQUIT {
				pending = append(pending, sig)
			}
		}
	}
}

// send passes one signal on. That the sandbox is gone is seen elsewhere.
func (f *forwarder) send(sig os.Signal) {
	m := control.Message{Kind: control.Signal, Signo: int(sig.(syscall.Signal))}
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH:
		m.Foreground = f.terminal
	case unix.SIGCONT:
		if f.stopped {
			f.stopped = false
			_ = f.conn.Send(m)
		}
		if !f.terminal {
			return
		}
		m.Foreground = true
	}
	_ = f.conn.Send(m)
}
