package kernel

import "hull/sentry/arch"

// Func is a system call. It returns the value for the guest, or an error that is
// a unix.Errno (an abi restart code among them); any other error ends the
// sandbox as hull's own failure.
type Func func(t *Task, a arch.Args) (uintptr, error)

// Row is a line of a system call table.
type Row struct {
	Name string
	Func Func
	// Missing says in words what is not there, "" if nothing; with a nil Func the
	// call answers ENOSYS. The README's table is made of it.
	Missing string
}

// Table is the system calls by number. It is not changed once a kernel has it.
type Table struct {
	rows []Row
}

// NewTable returns a table of the given rows. A number above 1023 panics: the
// table is written by hand.
func NewTable(rows map[uintptr]Row) *Table {
	t := &Table{}
	for nr, r := range rows {
		if nr > 1023 {
			panic("kernel: system call number out of range: " + r.Name)
		}
		for uintptr(len(t.rows)) <= nr {
			t.rows = append(t.rows, Row{})
		}
		t.rows[nr] = r
	}
	return t
}

// Lookup returns the row of nr; its Func is nil for an unknown call.
func (t *Table) Lookup(nr uintptr) Row {
	if nr >= uintptr(len(t.rows)) {
		return Row{}
	}
	return t.rows[nr]
}

// Hook sees every system call where it enters and leaves: strace, trace points,
// policy. It runs on the task's goroutine.
type Hook interface {
	// Enter may refuse the call: with an error other than nil the call is not
	// made and that error is its result.
	Enter(t *Task, nr uintptr, a arch.Args) error
	// Exit sees the result. why is what the call noted of its error, or "".
	Exit(t *Task, nr uintptr, a arch.Args, ret uintptr, err error, why string)
}
