package jail

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"time"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// sealed is the environment variable that makes this test's binary the process
// to be sealed; its value says what that does afterwards.
const sealed = "HULL_TEST_SEALED"

func TestMain(m *testing.M) {
	what := os.Getenv(sealed)
	if what == "" {
		os.Exit(m.Run())
	}
	rules := SentryRules("ptrace")
	switch what {
	case "gofer":
		rules = GoferRules()
	case "proxy":
		rules = ProxyRules()
	}
	runtime.GOMAXPROCS(4)
	// Each thread asks the C library for memory. From whatever heap the filter's comes:
	// when it is given back there are no host calls.
	crowd(12, func(i int) {
		if f, err := seccomp.NewFilter(seccomp.ActAllow); err == nil {
			f.Release()
		}
		if i != 0 {
			return
		}
		if err := Seal(rules, Kill); err != nil {
			println(err.Error())
			os.Exit(1)
		}
	})
	if what == "open" {
		_, _ = os.Open("/dev/null")
	}
	live()
	os.Exit(0)
}

// live does what a Go program does by itself, and then some: threads that come
// and go, timers, garbage collection.
func live() {
	var keep [][]byte
	for i := range 200 {
		done := make(chan bool)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			time.Sleep(100 * time.Microsecond)
			done <- true
		}()
		keep = append(keep, make([]byte, 1<<18))
		if i%50 == 0 {
			keep = nil
			debug.FreeOSMemory()
		}
		<-done
	}
	runtime.KeepAlive(keep)
	for range 5 {
		crowd(300, func(int) {})
	}
}

// crowd has n threads at a time, each of which calls do and then ends.
func crowd(n int, do func(i int)) {
	var here, gone sync.WaitGroup
	all := make(chan bool)
	for i := range n {
		here.Add(1)
		gone.Go(func() {
			runtime.LockOSThread()
			here.Done()
			<-all
			do(i)
		})
	}
	here.Wait()
	close(all)
	gone.Wait()
}

func TestSeal(t *testing.T) {
	for what, want := range map[string]syscall.Signal{"sentry": 0, "gofer": 0, "proxy": 0, "open": unix.SIGSYS} {
		c := exec.Command("/proc/self/exe")
		c.Env = []string{sealed + "=" + what}
		out, err := c.CombinedOutput()
		var ee *exec.ExitError
		if err != nil && !errors.As(err, &ee) {
			t.Fatal(err)
		}
		ws, ok := c.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || want == 0 && err != nil || want != 0 && ws.Signal() != want {
			t.Errorf("%s: ended with %v, want signal %d: %s", what, err, want, out)
		}
	}
}
