// Package netns makes network namespaces of the host's for tests. It owns the
// threads that are in them; it knows nothing of hull.
package netns

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// New makes a network namespace that ends with the test, and returns how to be in
// it: what it is given runs on a thread that is, one after the other. It needs
// CAP_SYS_ADMIN.
func New(t *testing.T) func(func()) {
	t.Helper()
	work, made := make(chan func()), make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		made <- err
		if err == nil {
			for f := range work {
				f()
			}
		}
	}()
	if err := <-made; err != nil {
		t.Fatalf("a network namespace: %v", err)
	}
	t.Cleanup(func() { close(work) })
	return func(f func()) {
		done := make(chan struct{})
		work <- func() { defer close(done); f() }
		<-done
	}
}
