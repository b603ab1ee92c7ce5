package boot

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/sentry/kernel"
)

// serve takes signals from the control socket until it ends. Without a parent
// the sandbox has no reason to be.
func (s *sandbox) serve() {
	for {
		m, err := s.conn.Receive()
		switch {
		case errors.Is(err, io.EOF):
			os.Exit(statusFailed)
		case err != nil:
			fmt.Fprintf(os.Stderr, "control socket: %v\n", err)
		case m.Kind == control.Signal:
			s.signal(m)
		}
	}
}

// signal delivers a signal of the caller's.
func (s *sandbox) signal(m control.Message) {
	sig := unix.Signal(m.Signo)
	if m.Foreground && s.terminal != nil {
		s.kernel.SignalForeground(s.terminal, sig)
		return
	}
	if err := s.init.SendSignal(&kernel.SignalInfo{Signo: int32(sig)}); err != nil {
		fmt.Fprintf(os.Stderr, "signal %d: %v\n", m.Signo, err)
	}
}

// stopped tells the caller that the first process was stopped.
func (s *sandbox) stopped(signo int32) {
	if err := s.conn.Send(control.Message{Kind: control.Stopped, Signo: int(signo)}); err != nil {
		fmt.Fprintf(os.Stderr, "control socket: %v\n", err)
	}
}
