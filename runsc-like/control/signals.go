package control

import (
	"fmt"
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signals are those that somebody on the host sends to this process, for the
// guest.
type Signals struct {
	f  *os.File
	ch chan os.Signal
}

// unblockable are the signals that Go blocks in none of its threads.
func unblockable() []os.Signal {
	return []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}
}

// OpenSignals begins to take the signals that are passed on to the guest. Most come
// by a descriptor (signalfd(2)): all threads block them, from before there was a
// second one. Go's own way, os/signal, takes a conversation with another thread
// for each signal, and a millisecond for all; it is left to those that Go does not
// let threads block.
func OpenSignals() (*Signals, error) {
	set := SignalSet(Forwarded())
	fd, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("signalfd: %w", err)
	}
	s := &Signals{os.NewFile(uintptr(fd), "signals"), make(chan os.Signal, 16)}
	signal.Notify(s.ch, unblockable()...)
	return s, nil
}

// Take calls take with each signal, two at a time at most, for ever.
func (s *Signals) Take(take func(unix.Signal)) {
	go func() {
		for sig := range s.ch {
			take(sig.(unix.Signal))
		}
	}()
	const size = int(unsafe.Sizeof(unix.SignalfdSiginfo{}))
	b := make([]byte, 16*size)
	for {
		n, err := s.f.Read(b)
		if err != nil {
			fmt.Fprintf(os.Stderr, "signals: %v\n", err)
			return
		}
		for i := 0; i+size <= n; i += size {
			info := (*unix.SignalfdSiginfo)(unsafe.Pointer(&b[i]))
			take(unix.Signal(info.Signo))
		}
	}
}
