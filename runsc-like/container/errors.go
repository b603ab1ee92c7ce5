package container

import "fmt"

// StatusFailed is the exit status of hull's own failures, as of env(1) and
// docker-run(1).
const StatusFailed = 125

// FieldError says which field of a bundle, or which flag, is wrong and why.
type FieldError struct {
	Field string // "process.cwd", "--volume"
	Why   string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Why }

func fieldf(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// StatusError is an error with the exit status that goes with it.
type StatusError struct {
	Status int
	Err    error
}

func (e *StatusError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e *StatusError) Unwrap() error { return e.Err }
