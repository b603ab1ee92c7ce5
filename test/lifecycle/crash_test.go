package lifecycle

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// crashes is how often something is killed. HULL_CRASHES sets it.
func crashes(t *testing.T) int {
	s := os.Getenv("HULL_CRASHES")
	if s == "" {
		return 40
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// bounded goes before a command that must end. One that does not says where it
// hangs.
const bounded = "timeout -s QUIT -k 5 90 "

// lives is what goes on while something is killed.
const lives = `
$R create --bundle $B --pid-file pid $C; $R start $C; $R exec $C true; $R exec -d --pid-file epid $C sleep 100; $R ps $C; $R update --memory 300m $C
$R pause $C; $R resume $C; $R exec $C sh -c 'exit 3'; $R kill $C TERM; sleep 0.05; $R delete $C; $R run --bundle $B $C
`

// TestCrashes kills one of hull's processes at a random moment of a container's
// life, again and again. After `delete --force` nothing is left of it.
func TestCrashes(t *testing.T) {
	campaign{
		name: "crash", script: lives, life: 700 * time.Millisecond, parts: []string{""},
		env: func(t *testing.T, _ string) []string {
			s := spec(t, "trap 'exit 0' TERM; for i in 1 2 3; do sleep 0.02; done; while :; do sleep 0.05; done")
			memory := int64(200 << 20)
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}
			return []string{"B=" + bundle(t, s)}
		},
	}.run(t)
	if left := mountsOf(t, filepath.Dir(t.TempDir())); left != "" {
		t.Errorf("mounts were left:\n%s", left)
	}
}

// campaign is a story during which one of hull's processes is killed, at a random
// moment, again and again.
type campaign struct {
	name   string
	script string                                 // the story of container $C, with runtime $R
	life   time.Duration                          // how long it takes
	parts  []string                               // what is added to $C in the names of the containers that there are
	env    func(t *testing.T, id string) []string // the rest of the script's variables
}

func (k campaign) run(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	hull := sandbox.Binary(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed := map[string]int{}
	before := processes(hull)
	for i := range crashes(t) {
		id := fmt.Sprintf("hull-%s-%d-%d-", k.name, os.Getpid(), i) // no other's begins so
		dir := t.TempDir()
		state := filepath.Join(dir, "state")
		r := hull + " --root " + state
		c := exec.Command("sh", "-c", k.script)
		c.Dir = dir
		c.Env = append(k.env(t, id), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R="+r, "C="+id)
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.Int64N(int64(k.life))))
		killed[killOne(random, hull, before)]++
		// The rest of the story goes on or fails; what then still runs is ended.
		time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		_ = c.Wait()  // its status is anything
		for range 2 { // what one leaves undone the next one does
			for _, part := range k.parts {
				if out, err := exec.Command("sh", "-c", bounded+r+" delete --force "+id+part).CombinedOutput(); err != nil {
					t.Errorf("%s: delete --force: %v\n%s", id+part, err, out)
				}
			}
		}
		if left := leftovers(hull, id, state, before); left != "" {
			t.Errorf("%s (seed %d) left: %s", id, seed, left)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("killed: %v", killed)
}

// processes are those of the binary under test, by number, without zombies; the
// value is what each is. Others of hull's may run beside the test, and a guest may
// give its processes any name: the file that they run is what counts.
func processes(hull string) map[int]string {
	all := map[int]string{}
	binary, err := os.Stat(hull)
	if err != nil {
		return all
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		exe, err := os.Stat(filepath.Join(dir, "exe")) // a zombie has none
		if err != nil || !os.SameFile(exe, binary) {
			continue
		}
		b, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // it may be gone
		args := strings.Split(string(bytes.TrimRight(b, "\x00")), "\x00")
		switch {
		case filepath.Base(args[0]) != "hull" || len(args) < 2:
			all[pid] = "stub"
		case args[1] == "--root" && len(args) > 3:
			all[pid] = args[3]
		default:
			all[pid] = args[1]
		}
	}
	return all
}

// killOne kills one of the processes that were not there before, and says which.
func killOne(random *rand.Rand, hull string, before map[int]string) string {
	var pids []int
	now := processes(hull)
	for pid := range now {
		if _, old := before[pid]; !old {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return "nothing"
	}
	pid := pids[random.IntN(len(pids))]
	_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	return now[pid]
}

// leftovers says what there is of a container that was deleted. Processes that were
// killed end when the machine comes to it.
func leftovers(hull, id, state string, before map[int]string) string {
	var left string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left = ""
		for pid, what := range processes(hull) {
			if _, old := before[pid]; !old {
				left += fmt.Sprintf("process %d (%s) ", pid, what)
			}
		}
		if left == "" || time.Now().After(deadline) {
			break
		}
	}
	if entries, _ := os.ReadDir(state); len(entries) != 0 {
		left += "state " + entries[0].Name() + " "
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), id) {
			left += path + " "
		}
		return nil // what vanishes meanwhile is not left
	})
	return left
}

// mountsOf returns the mounts below dir, or of what is there.
func mountsOf(t *testing.T, dir string) string {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var left string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, dir) {
			left += line
		}
	}
	return left
}
