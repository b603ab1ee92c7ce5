package container

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"
)

// FatalPrefix starts the line by which a process of a sandbox says why it ends.
const FatalPrefix = "fatal: "

// logReader drains the log pipe of a sandbox's processes, and keeps the line
// that says why one of them ended.
type logReader struct {
	done chan struct{}
	mu   sync.Mutex
	last string // guarded by mu: the first fatal line, or what looks like one
}

// openLog makes the log pipe and returns the end for the processes.
func (s *sandbox) openLog(o Options) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	to := o.Log
	if to == nil {
		to = io.Discard
	}
	s.log = &logReader{done: make(chan struct{})}
	go s.log.drain(r, to)
	return w, nil
}

// drain copies r to w, line by line.
func (l *logReader) drain(r *os.File, w io.Writer) {
	defer close(l.done)
	defer r.Close()
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := b.ReadSlice('\n') // a longer line comes in pieces
		if len(line) > 0 {
			l.look(string(line))
			_, _ = w.Write(line) // a log that cannot be written stops nothing
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// look keeps line if it says why a process ended: hull's own word for it, or
// the first line of a Go trace.
func (l *logReader) look(line string) {
	line = strings.TrimSpace(line)
	for _, p := range []string{FatalPrefix, "panic: ", "fatal error: ", "SIGSYS: ", "runtime: "} {
		if !strings.HasPrefix(line, p) {
			continue
		}
		l.mu.Lock()
		if l.last == "" {
			l.last = strings.TrimPrefix(line, FatalPrefix)
		}
		l.mu.Unlock()
		return
	}
}

// wait waits until all writers are gone. A nil logReader was never opened.
func (l *logReader) wait() {
	if l != nil {
		<-l.done
	}
}

// reason returns the line that look kept.
func (l *logReader) reason() string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
