package proc

import (
	"bytes"
	"fmt"
	"time"

	"hull/sentry/current"
)

// timeOffsets is /proc/PID/timens_offsets (time_namespaces(7)). All processes are
// in one time namespace, whose offsets cannot be changed any more.
type timeOffsets struct{ p pid }

// Content implements pseudo.Content.
func (o timeOffsets) Content(_ current.Task, w *bytes.Buffer) error {
	off := o.p.fs.k.Clocks().Offsets()
	line := func(name string, ns int64) {
		// Seconds, and nanoseconds that are added to them.
		sec, rest := ns/int64(time.Second), ns%int64(time.Second)
		if rest < 0 {
			sec, rest = sec-1, rest+int64(time.Second)
		}
		fmt.Fprintf(w, "%-10s %10d %9d\n", name, sec, rest)
	}
	line("monotonic", off.Monotonic)
	line("boottime", off.Boottime)
	return nil
}
