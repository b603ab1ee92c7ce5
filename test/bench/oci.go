package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// An ociRuntime is a container runtime that is driven by runc's command line.
type ociRuntime struct {
	name, path string
	root       string // where it keeps state
	// processes are patterns of the command lines of what it keeps running.
	processes []string
}

// figures are what one trial of a runtime gave: by row.
type figures map[string]float64

// trial measures several rows of the second table at once.
type trial struct {
	rows   []string // in the order in which they are printed, each with its unit
	rounds int      // 0 is what the flag says
	run    func(r *ociRuntime) (figures, error)
}

// ociTable measures the runtimes side by side and prints the second table.
func ociTable(hull, dir string, rounds int, execs time.Duration, only []string) (err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_CHILD_SUBREAPER: %w", err)
	}
	b, err := ociBundles(dir)
	if err != nil {
		return err
	}
	rs := ociRuntimes(hull, dir)
	d := &docker{dir: dir, runtimes: rs}
	defer func() { err = errors.Join(err, d.stop()) }()
	trials := []trial{
		{rows: []string{"life of `true` (ms)", "life of `true`: CPU (ms)", "… create (ms)", "… start (ms)", "… wait (ms)", "… delete (ms)"},
			rounds: 7 * rounds, run: b.life},
		{rows: []string{"docker run true (ms)"}, rounds: 3 * rounds, run: d.run},
		{rows: []string{"100 at once (ms)", "100 at once: failed", "100 at once: memory (MB)"}, run: b.hundred},
		{rows: []string{"idle PSS (kB)"}, run: b.idle},
		{rows: []string{"exec 10/s (ms)", "exec 10/s: failed", "exec 10/s: growth (kB)"}, rounds: 1,
			run: func(r *ociRuntime) (figures, error) { return b.execs(r, execs) }},
	}
	fmt.Printf("\n%-28s", "as a container runtime")
	for _, r := range rs {
		fmt.Printf("%12s", r.name)
	}
	for _, r := range rs[1:] {
		fmt.Printf("%12s", "hull/"+r.name)
	}
	fmt.Println()
	for _, t := range trials {
		if len(only) > 0 && !slices.ContainsFunc(t.rows, func(row string) bool { return slices.Contains(only, row) }) {
			continue
		}
		if t.rounds == 0 {
			t.rounds = rounds
		}
		printTrial(t, rs)
	}
	return nil
}

// printTrial runs a trial, the runtimes in turn, and prints its rows.
func printTrial(t trial, rs []*ociRuntime) {
	got := map[string]map[string][]float64{}
	for range t.rounds {
		for _, r := range rs {
			f, err := t.run(r)
			if err != nil {
				log.Printf("%s in %s: %v", t.rows[0], r.name, err)
				continue
			}
			for row, v := range f {
				if got[row] == nil {
					got[row] = map[string][]float64{}
				}
				got[row][r.name] = append(got[row][r.name], v)
			}
		}
	}
	for _, row := range t.rows {
		fmt.Printf("%-28s", row)
		for _, r := range rs {
			fmt.Printf("%12s", figure(median(got[row][r.name]), len(got[row][r.name]) > 0))
		}
		for _, r := range rs[1:] {
			fmt.Printf("%12s", ratio(got[row]["hull"], got[row][r.name]))
		}
		fmt.Println()
	}
}

// ociRuntimes are those that are installed, hull first.
func ociRuntimes(hull, dir string) []*ociRuntime {
	rs := []*ociRuntime{{name: "hull", path: hull, processes: []string{"hull sentry", "hull gofer", "hull netproxy"}}}
	for name, patterns := range map[string][]string{"runc": nil, "crun": nil, "runsc": {"runsc"}} {
		if path, err := exec.LookPath(name); err == nil {
			rs = append(rs, &ociRuntime{name: name, path: path, processes: patterns})
		}
	}
	slices.SortFunc(rs[1:], func(a, b *ociRuntime) int { return strings.Compare(a.name+"~", b.name+"~") })
	for _, r := range rs {
		r.root = filepath.Join(dir, "state-"+r.name)
	}
	return rs
}

// command is the runtime with arguments. It has no standard streams.
func (r *ociRuntime) command(args ...string) *exec.Cmd {
	return exec.Command(r.path, append([]string{"--root", r.root}, args...)...)
}

// do runs a command to its end.
func (r *ociRuntime) do(args ...string) error {
	c := r.command(args...)
	var text strings.Builder
	if args[0] != "create" && args[0] != "run" { // the container would have it too
		c.Stderr = &text
	}
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(text.String()))
	}
	return nil
}

// remove takes a container away that may be in any state.
func (r *ociRuntime) remove(id string) { _ = r.do("delete", "--force", id) }

// bundles are those of the trials.
type bundles struct{ true, sleep string }

// ociBundles makes them, with a root of busybox.
func ociBundles(dir string) (*bundles, error) {
	root := filepath.Join(dir, "busybox")
	script := `set -e; for d in bin dev etc proc root sys tmp; do mkdir -p "$0/$d"; done; cp /bin/busybox "$0/bin/"
for a in $(/bin/busybox --list); do ln -s busybox "$0/bin/$a" 2>/dev/null || :; done`
	if out, err := exec.Command("sh", "-c", script, root).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("busybox: %w: %s", err, out)
	}
	b := &bundles{filepath.Join(dir, "true"), filepath.Join(dir, "sleep")}
	for name, args := range map[string][]string{b.true: {"true"}, b.sleep: {"sh", "-c", `trap "exit 0" TERM; sleep 1000 & wait`}} {
		if err := os.Mkdir(name, 0o755); err != nil {
			return nil, err
		}
		text, err := json.Marshal(ociSpec(root, args))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(name, "config.json"), text, 0o644); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ociSpec is a configuration like the one that `runc spec` writes.
func ociSpec(root string, args []string) *specs.Spec {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: root, Readonly: true},
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/bin"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1024}},
		},
		Hostname: "bench",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"},
			},
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// life takes the times of create, start, wait and delete, and the processor time
// of all that ran for them: as the subreaper, this process is their last parent.
func (b *bundles) life(r *ociRuntime) (figures, error) {
	const id = "hull-bench-life"
	defer r.remove(id)
	before := childTime()
	at := []time.Time{time.Now()}
	pid, err := r.create(b.true, id)
	if err != nil {
		return nil, err
	}
	at = append(at, time.Now())
	if err := r.do("start", id); err != nil {
		return nil, err
	}
	at = append(at, time.Now())
	if status, err := reap(pid); err != nil || status != 0 {
		return nil, fmt.Errorf("exit status %d, %v", status, err)
	}
	at = append(at, time.Now())
	if err := r.do("delete", id); err != nil {
		return nil, err
	}
	at = append(at, time.Now())
	reapAll()
	f := figures{"life of `true` (ms)": ms(at[4].Sub(at[0])), "life of `true`: CPU (ms)": ms(childTime() - before)}
	for i, name := range []string{"create", "start", "wait", "delete"} {
		f["… "+name+" (ms)"] = ms(at[i+1].Sub(at[i]))
	}
	return f, nil
}

// create makes a container and returns the process that stands for it.
func (r *ociRuntime) create(bundle, id string) (int, error) {
	if err := os.MkdirAll(r.root, 0o711); err != nil {
		return 0, err
	}
	name := filepath.Join(r.root+"-pids", id)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return 0, err
	}
	if err := r.do("create", "--bundle", bundle, "--pid-file", name, id); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// hundred starts 100 containers at once, and says how long it took until all of
// them ran, how many did not end with status 0 when they were told to, and how
// much less memory the machine had meanwhile.
func (b *bundles) hundred(r *ociRuntime) (figures, error) {
	const n = 100
	memory, stop := watchMemory()
	defer stop()
	var failed atomic.Int64
	pids := make([]int, n)
	begin := time.Now()
	each(n, func(i int) {
		id := fmt.Sprintf("hull-bench-%d", i)
		var err error
		if pids[i], err = r.create(b.sleep, id); err == nil {
			err = r.do("start", id)
		}
		if err != nil {
			failed.Add(1)
			log.Printf("%s: %s: %v", r.name, id, err)
		}
	})
	took := time.Since(begin)
	time.Sleep(time.Second) // the shells set their traps
	used := memory()
	each(n, func(i int) {
		id := fmt.Sprintf("hull-bench-%d", i)
		defer r.remove(id)
		if pids[i] == 0 {
			return
		}
		if err := r.do("kill", id, "TERM"); err != nil {
			failed.Add(1)
			return
		}
		if status, err := reap(pids[i]); err != nil || status != 0 {
			failed.Add(1)
			log.Printf("%s: %s ended with %d, %v", r.name, id, status, err)
		}
	})
	reapAll()
	return figures{"100 at once (ms)": ms(took), "100 at once: failed": float64(failed.Load()), "100 at once: memory (MB)": used / 1024}, nil
}

// each calls f with 0 to n-1 at the same time.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// idle is the memory of all processes that are there because of a container that
// sleeps, but for its own on the host.
func (b *bundles) idle(r *ociRuntime) (figures, error) {
	const id = "hull-bench-idle"
	defer reapAll()
	defer r.remove(id)
	pids, err := b.sleeper(r, id)
	if err != nil {
		return nil, err
	}
	time.Sleep(settle)
	kb, err := pss(pids())
	return figures{"idle PSS (kB)": kb}, err
}

// sleeper starts a container that sleeps, and returns what lists its processes.
func (b *bundles) sleeper(r *ociRuntime, id string) (func() []int, error) {
	before := processes()
	pid, err := r.create(b.sleep, id)
	if err == nil {
		err = r.do("start", id)
	}
	if err != nil {
		return nil, err
	}
	return func() []int {
		pids := []int{pid}
		for p, cmd := range processes() {
			if _, old := before[p]; !old && p != pid && (matches(cmd, r.processes) || parentOf(p) == pid) {
				pids = append(pids, p)
			}
		}
		return pids
	}, nil
}

// parentOf is the parent of a process; 0 if it is gone.
func parentOf(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1]) // the kernel writes numbers
	return n
}

// execs runs `true` in a container ten times a second.
func (b *bundles) execs(r *ociRuntime, during time.Duration) (figures, error) {
	const id, interval = "hull-bench-exec", 100 * time.Millisecond
	defer reapAll()
	defer r.remove(id)
	pids, err := b.sleeper(r, id)
	if err != nil {
		return nil, err
	}
	time.Sleep(settle)
	before, err := pss(pids())
	if err != nil {
		return nil, err
	}
	var total time.Duration
	n, failed := 0, 0
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for end := time.Now().Add(during); time.Now().Before(end); <-tick.C {
		begin := time.Now()
		if err := r.do("exec", id, "true"); err != nil {
			if failed++; failed == 1 {
				log.Printf("%s: %v", r.name, err)
			}
		}
		total += time.Since(begin)
		n++
	}
	time.Sleep(settle)
	after, err := pss(pids())
	if err != nil {
		return nil, err
	}
	return figures{"exec 10/s (ms)": ms(total) / float64(n), "exec 10/s: failed": float64(failed), "exec 10/s: growth (kB)": after - before}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// childTime is the processor time of all processes that were waited for.
func childTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &u) // fails for no other reason than a wrong address
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reap waits for a process that this one has inherited, and returns its exit
// status.
func reap(pid int) (int, error) {
	for {
		var ws syscall.WaitStatus
		_, err := syscall.Wait4(pid, &ws, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return ws.ExitStatus(), err
		}
	}
}

// reapAll waits for what else was inherited and has ended, or is about to.
func reapAll() {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return // no children
		}
		if pid <= 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// watchMemory watches how much memory the machine has. The first function says
// how many kB less it had at the worst, since the start.
func watchMemory() (worst func() float64, stop func()) {
	start := available()
	var low atomic.Int64
	low.Store(start)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				low.Store(min(low.Load(), available()))
			}
		}
	}()
	return func() float64 { return float64(start - low.Load()) }, func() { close(done) }
}

// available is MemAvailable, in kB.
func available() int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			n, _ := strconv.ParseInt(f[1], 10, 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}
