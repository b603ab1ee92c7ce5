package control

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenSignals returns a descriptor (signalfd(2)) of the signals that are passed
// on to the guest. All threads block them, from before there was a second one:
// Go's own way, os/signal, takes a conversation with another thread for each
// signal, and a millisecond for all.
func OpenSignals() (*os.File, error) {
	set := SignalSet(Forwarded())
	fd, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("signalfd: %w", err)
	}
	return os.NewFile(uintptr(fd), "signals"), nil
}

// TakeSignals calls take with what somebody on the host sends to this process,
// until f is closed.
func TakeSignals(f *os.File, take func(unix.Signal)) {
	const size = int(unsafe.Sizeof(unix.SignalfdSiginfo{}))
	b := make([]byte, 16*size)
	for {
		n, err := f.Read(b)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				fmt.Fprintf(os.Stderr, "signals: %v\n", err)
			}
			return
		}
		for i := 0; i+size <= n; i += size {
			info := (*unix.SignalfdSiginfo)(unsafe.Pointer(&b[i]))
			take(unix.Signal(info.Signo))
		}
	}
}
