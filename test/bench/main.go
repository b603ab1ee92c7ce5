// Bench runs the same programs natively, in hull and, where installed, in runc
// and runsc, in one run, and prints what they take and how they compare.
//
//	go run ./test/bench [-rounds N] [-only row,row] [-exec-time 60s]
//
// The first table is of what programs do, the second of what a container runtime
// does. The second needs root.
//
// Machines are noisy: the runners take turns, and a row is the median of its
// rounds. What counts are the ratios.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runner is one way to run a program.
type runner struct {
	name string
	argv func(prog ...string) []string
	// processes are patterns of the command lines of all that it keeps running.
	processes []string
}

// row is a line of the table.
type row struct {
	name, unit string
	measure    func(r runner) (float64, error)
}

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 3, "how often each row is measured")
	only := flag.String("only", "", "measure only these rows, separated by commas")
	execs := flag.Duration("exec-time", time.Minute, "for how long processes are added to a container")
	bin := flag.String("hull", "bin/hull", "the hull to measure")
	flag.Parse()
	if os.Geteuid() == 0 && os.Getenv(insideEnv) == "" {
		os.Exit(inside())
	}
	if err := plainCgroups(); err != nil {
		log.Print(err)
	}
	hull, err := filepath.Abs(*bin)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stat(hull); err != nil {
		log.Fatalf("%v: run make build first", err)
	}
	dir, err := os.MkdirTemp("", "hull-bench-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	prog, err := build(dir)
	if err != nil {
		log.Fatal(err)
	}
	rs := runners(hull, dir)
	if list := rows(prog); wanted(list, split(*only)) {
		table(rs, list, *rounds, split(*only))
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := ociTable(hull, dir, *rounds, *execs, split(*only)); err != nil {
		log.Print(err)
	}
	if err := benchNetwork(hull, dir, *rounds, split(*only)); err != nil {
		log.Print(err)
	}
}

// benchNetwork prints the network's table, if anything of it is wanted.
func benchNetwork(hull, dir string, rounds int, only []string) error {
	rs, paths := netRunners(hull)
	if !wanted((&network{}).rows(), only) {
		return nil
	}
	n, err := newNetwork(dir, paths)
	if err != nil {
		return err
	}
	fmt.Println()
	table(rs, n.rows(), rounds, only)
	return n.close()
}

// wanted reports whether any of the rows is to be measured.
func wanted(list []row, only []string) bool {
	return len(only) == 0 || slices.ContainsFunc(list, func(w row) bool { return slices.Contains(only, w.name) })
}

// insideEnv says that the program is the one that inside started.
const insideEnv = "HULL_BENCH_INSIDE"

// inside runs the benchmark in a mount namespace of its own.
func inside() int {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), insideEnv+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := c.Run(); err != nil {
		log.Print(err)
		return 1
	}
	return 0
}

// plainCgroups hides the v2 tree that a host may have beside v1's controllers:
// crun starts no container there.
func plainCgroups() error {
	const beside = "/sys/fs/cgroup/unified"
	if os.Getenv(insideEnv) == "" {
		return nil
	}
	if _, err := os.Stat(beside); err != nil {
		return nil
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Unmount(beside, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", beside, err)
	}
	return nil
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// build compiles the benchmark's program.
func build(dir string) (string, error) {
	prog := filepath.Join(dir, "bench")
	c := exec.Command("gcc", "-O2", "-static", "-o", prog, "test/bench/testdata/bench.c")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("gcc: %v\n%s", err, out)
	}
	return prog, nil
}

// runners returns those that are installed.
func runners(hull, dir string) []runner {
	rs := []runner{
		{"native", func(p ...string) []string { return p }, nil},
		{"hull", func(p ...string) []string { return append([]string{hull, "do", "--"}, p...) },
			[]string{hull + " do", "hull sentry", "hull gofer", "hull netproxy"}},
	}
	if path, err := exec.LookPath("runc"); err == nil {
		if b, err := bundle(dir); err == nil {
			rs = append(rs, runner{"runc", func(p ...string) []string { return append([]string{"sh", "-c", runcScript, path, b}, p...) },
				[]string{path + " run", "bench-bundle"}})
		}
	}
	if path, err := exec.LookPath("runsc"); err == nil {
		rs = append(rs, runner{"runsc", func(p ...string) []string {
			return append([]string{path, "--platform=ptrace", "--network=none", "--rootless=false", "do"}, p...)
		}, []string{"runsc"}})
	}
	return rs
}

// runcScript writes the arguments into the bundle and runs it.
const runcScript = `b=$1; shift; args=$(for a; do printf '"%s",' "$a"; done); ` +
	`sed "s|@ARGS@|${args%,}|" $b/config.template > $b/config.json; exec "$0" run --bundle $b hull-bench-$$`

// bundle makes an OCI bundle whose root shows the host's programs.
func bundle(dir string) (string, error) {
	b := filepath.Join(dir, "bench-bundle")
	root := filepath.Join(b, "rootfs")
	for _, d := range []string{"usr", "proc", "dev", "tmp", dir} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", err
		}
	}
	for _, l := range []string{"bin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+l, filepath.Join(root, l)); err != nil {
			return "", err
		}
	}
	config := `{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":[@ARGS@],"env":["PATH=/usr/bin:/bin"],"cwd":"/"},
"root":{"path":"rootfs"},"mounts":[{"destination":"/proc","type":"proc","source":"proc"},
{"destination":"/dev","type":"tmpfs","source":"tmpfs"},{"destination":"/dev/zero","type":"bind","source":"/dev/zero","options":["bind"]},
{"destination":"/tmp","type":"tmpfs","source":"tmpfs"},{"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]},
{"destination":"` + dir + `","type":"bind","source":"` + dir + `","options":["rbind","ro"]}],
"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"}]}}`
	return b, os.WriteFile(filepath.Join(b, "config.template"), []byte(config), 0o644)
}

// rows are the lines of the table.
func rows(prog string) []row {
	var list []row
	for _, n := range []string{"getppid", "clock_gettime", "read-zero", "stat", "open-close", "pread-tmpfs", "pread-root",
		"pipe", "mmap-touch", "fork-wait", "fork-exec-wait"} {
		list = append(list, row{n, "ns", func(r runner) (float64, error) { return program(r, prog, n) }})
	}
	return append(list,
		// Natively, under a tracer that does nothing: what any runtime pays for a call on ptrace.
		row{"getppid traced", "ns", func(r runner) (float64, error) {
			if r.name == "native" {
				return program(r, prog, "stop")
			}
			return program(r, prog, "getppid")
		}},
		row{"true, start to end", "ms", func(r runner) (float64, error) { return start(r, "/bin/true") }},
		row{"python3, start to end", "ms", func(r runner) (float64, error) { return start(r, "python3", "-c", "1") }},
		row{"idle PSS", "kB", func(r runner) (float64, error) { return idle(r, pss) }},
		row{"idle CPU in 2 s", "ms", func(r runner) (float64, error) { return idle(r, cpu) }},
	)
}

// program runs a benchmark of the C program.
func program(r runner, prog, name string) (float64, error) {
	argv := r.argv(prog, name)
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// start takes the time of a whole run, in milliseconds: the best of five.
func start(r runner, prog ...string) (float64, error) {
	best := 0.0
	for range 5 {
		argv := r.argv(prog...)
		begin := time.Now()
		if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
			return 0, err
		}
		if ms := float64(time.Since(begin).Microseconds()) / 1000; best == 0 || ms < best {
			best = ms
		}
	}
	return best, nil
}

// table measures and prints.
func table(rs []runner, list []row, rounds int, only []string) {
	fmt.Printf("%-22s", "")
	for _, r := range rs {
		fmt.Printf("%14s", r.name)
	}
	base := rs[0].name // what the others are compared with
	fmt.Printf("%14s%14s\n", "hull/"+base, "runsc/hull")
	for _, w := range list {
		if len(only) > 0 && !slices.Contains(only, w.name) {
			continue
		}
		got := map[string][]float64{}
		for range rounds {
			for _, r := range rs {
				v, err := w.measure(r)
				if err != nil {
					log.Printf("%s in %s: %v", w.name, r.name, err)
					continue
				}
				got[r.name] = append(got[r.name], v)
			}
		}
		fmt.Printf("%-22s", w.name+" ("+w.unit+")")
		for _, r := range rs {
			fmt.Printf("%14s", figure(median(got[r.name]), len(got[r.name]) > 0))
		}
		fmt.Printf("%14s%14s\n", ratio(got["hull"], got[base]), ratio(got["runsc"], got["hull"]))
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func figure(v float64, ok bool) string {
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func ratio(a, b []float64) string {
	if len(a) == 0 || median(b) == 0 {
		return "-"
	}
	return strconv.FormatFloat(median(a)/median(b), 'f', 2, 64)
}
