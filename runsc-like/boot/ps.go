package boot

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hull/fsimpl/proc"
	"hull/platform"
	"hull/runsc-like/control"
	"hull/sentry/kernel"
)

// titled has the host's process that runs the code of t show what the guest's
// shows now, and returns its number; 0 if t has ended.
func titled(t *kernel.Task, words []byte) int {
	m := t.PeekMM()
	if m == nil {
		return 0
	}
	defer m.DecUsers()
	h, ok := m.Host().(platform.Titler)
	if !ok {
		return 0
	}
	h.Title(t.Comm(), words, true)
	return h.Process()
}

// tellProcesses lists the processes of the container, by number.
func (c *container) tellProcesses(conn *control.Conn) error {
	ns := c.pids
	var list []*control.ProcessInfo
	for _, tg := range c.procs.Groups() {
		t := ns.Task(tg.IDIn(ns))
		if t == nil {
			continue // it ended meanwhile
		}
		v := t.View(ns)
		info := &control.ProcessInfo{
			UID: t.CredOf().RUID, PID: v.TGID, PPID: v.PPID, TTY: "?",
			Started: c.s.kernel.Booted().Add(v.Started).Unix(), Seconds: (v.User + v.Sys).Seconds(),
		}
		words := proc.CommandLine(t)
		info.Command = strings.TrimSpace(string(bytes.ReplaceAll(words, []byte{0}, []byte{' '})))
		info.Process = titled(t, words)
		if info.Command == "" {
			info.Command = fmt.Sprintf("[%s]", t.Comm())
		}
		if v.TTY != 0 {
			info.TTY = fmt.Sprintf("pts/%d", v.TTY&0xff)
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b *control.ProcessInfo) int { return cmp.Compare(a.PID, b.PID) })
	for _, info := range list {
		if err := conn.Send(control.Message{Kind: control.Process, Info: info}); err != nil {
			return err
		}
	}
	return conn.Send(control.Message{Kind: control.Done})
}
