package lifecycle

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/test/internal/sandbox"
)

// The clocks of a container with linux.timeOffsets are those of the host, so much
// later; that of the day is the host's. (runc 1.1 has no time namespaces: the
// host's clocks are the oracle.)
func TestTimeOffsets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	prog := sandbox.Compile(t, "testdata/clocks.c", "-static")
	s := spec(t, "")
	s.Process.Args = []string{"/tmp/clocks"}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp/clocks", Type: "bind", Source: prog, Options: []string{"bind", "ro"}})
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	const day = 24 * time.Hour
	s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{
		"monotonic": {Secs: 2 * 86400},
		"boottime":  {Secs: -1, Nanosecs: 500_000_000},
	}
	want := map[int32]time.Duration{
		unix.CLOCK_MONOTONIC: 2 * day, unix.CLOCK_MONOTONIC_RAW: 2 * day, unix.CLOCK_MONOTONIC_COARSE: 2 * day,
		unix.CLOCK_BOOTTIME: -500 * time.Millisecond, unix.CLOCK_REALTIME: 0,
	}
	state := filepath.Join(t.TempDir(), "state")
	before := map[int32]time.Duration{}
	for id := range want {
		before[id] = hostClock(t, id)
	}
	out, err := exec.Command(sandbox.Binary(t), "--root", state, "run", "--bundle", bundle(t, s), "hull-time").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines of %d:\n%s", len(lines), len(want), out)
	}
	const slack = 20 * time.Millisecond // of a coarse clock, and of the calibration
	for _, line := range lines {
		var id int32
		var vdso, call time.Duration
		if _, err := fmt.Sscan(line, &id, &vdso, &call); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for how, v := range map[string]time.Duration{"vDSO": vdso, "system call": call} {
			if v < before[id]+want[id]-slack || v > hostClock(t, id)+want[id]+slack {
				t.Errorf("clock %d by %s: %v, the host's was %v, and %v is to be added", id, how, v, before[id], want[id])
			}
		}
	}
}

func hostClock(t *testing.T, id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
