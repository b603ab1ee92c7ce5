// Package klog is the guest kernel's log, which syslog(2) and so dmesg(1) read:
// lines of packet filters.
//
// It owns the lines, of which the oldest go when there are too many. It knows no
// task; who reads waits for Queue. The host's log is another one.
package klog

import (
	"fmt"
	"strings"
	"time"

	"hull/sentry/lock"
	"hull/sentry/wait"
)

// The bounds of a log, in bytes.
const (
	Size    = 256 << 10 // all lines as they are read
	maxLine = 1 << 10
)

// Log is a log.
type Log struct {
	Queue wait.Queue // told of new lines

	now func() time.Duration `snapshot:"-"` // since the kernel started

	lines struct {
		lock.Mutex[lock.Leaf]
		list   []string // as they are read
		bytes  int
		first  uint64 // number of list[0]
		unread uint64 // number of the line that Next gives
		clear  uint64 // number of the line that All begins with
	}
}

// New returns an empty log. now is the time since the kernel started.
func New(now func() time.Duration) *Log { return &Log{now: now} }

// Add adds a line with a level of 0 to 7, KERN_*.
func (l *Log) Add(level int, text string) {
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	at := l.now()
	line := fmt.Sprintf("<%d>[%5d.%06d] %s\n", level&7, at/time.Second, at%time.Second/time.Microsecond, strings.ReplaceAll(text, "\n", " "))
	s := &l.lines
	s.Lock()
	s.list = append(s.list, line)
	s.bytes += len(line)
	for s.bytes > Size {
		s.bytes -= len(s.list[0])
		s.list[0] = ""
		s.list = s.list[1:]
		s.first++
	}
	s.Unlock()
	l.Queue.Notify(wait.In | wait.RdNrm)
}

// from returns the lines from a number on. The lock is held.
func (l *Log) from(n uint64) []string {
	return l.lines.list[min(max(n, l.lines.first)-l.lines.first, uint64(len(l.lines.list))):]
}

// end is the number of the next line. The lock is held.
func (l *Log) end() uint64 { return l.lines.first + uint64(len(l.lines.list)) }

// All returns the newest lines since Clear that fit into n bytes.
func (l *Log) All(n int, clear bool) string {
	l.lines.Lock()
	defer l.lines.Unlock()
	list := l.from(l.lines.clear)
	i := len(list)
	for ; i > 0 && n >= len(list[i-1]); i-- {
		n -= len(list[i-1])
	}
	if clear {
		l.lines.clear = l.end()
	}
	return strings.Join(list[i:], "")
}

// Clear makes All begin with the next line.
func (l *Log) Clear() { l.All(0, true) }

// Next takes the lines that nobody took before and that fit into n bytes.
func (l *Log) Next(n int) string {
	l.lines.Lock()
	defer l.lines.Unlock()
	list := l.from(l.lines.unread)
	start, i := l.end()-uint64(len(list)), 0
	for i < len(list) && n >= len(list[i]) {
		n -= len(list[i])
		i++
	}
	l.lines.unread = start + uint64(i)
	return strings.Join(list[:i], "")
}

// Unread returns the bytes of the lines that Next has not given.
func (l *Log) Unread() int {
	l.lines.Lock()
	defer l.lines.Unlock()
	n := 0
	for _, line := range l.from(l.lines.unread) {
		n += len(line)
	}
	return n
}
