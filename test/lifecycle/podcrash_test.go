package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hull/test/internal/sandbox"
)

// podLives is what goes on in a pod while something is killed.
const podLives = podPrelude + `
up $a $A; $R exec $a true; $R create --bundle $D --pid-file $b.pid $b </dev/null; $R exec -d $b sleep 100; $R start $b; $R ps $a; $R pause $b; $R resume $b
$R update --pids-limit 100 $a; $R kill $a TERM; sleep 0.05; $R delete $a; up $a $A; $R delete --force $b; $R run -d --bundle $D $b; $R kill $C TERM; $R delete $C
`

// TestPodCrashes kills one of a pod's processes at a random moment of its
// containers' lives, again and again. What was not killed with it goes on or can
// be deleted, and after `delete --force` nothing is left.
func TestPodCrashes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	hull := sandbox.Binary(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed := map[string]int{}
	for i := range crashes(t) {
		id := fmt.Sprintf("hull-podcrash-%d", i)
		dir := t.TempDir()
		state := filepath.Join(dir, "state")
		r := hull + " --root " + state
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		c := exec.CommandContext(ctx, "sh", "-c", podLives)
		c.Dir = dir
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "R=" + r, "C=" + id,
			"B=" + bundle(t, podSpec(t, idle, "sandbox", id)),
			"A=" + template(t, podSpec(t, idle, "container", id)), "D=" + template(t, podSpec(t, idle, "container", id))}
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		const life = 1200 * time.Millisecond
		time.Sleep(time.Duration(random.Int64N(int64(life))))
		known := mine(state, c.Process.Pid)
		killed[killAny(random, known)]++
		time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		_ = c.Wait() // its status is anything
		cancel()
		for pid, what := range mine(state, 0) {
			known[pid] = what
		}
		for range 2 { // what one leaves undone the next one does
			for _, name := range []string{id + "-b", id, id + "-a"} {
				if out, err := exec.Command("sh", "-c", r+" delete --force "+name).CombinedOutput(); err != nil {
					t.Errorf("%s: delete --force: %v\n%s", name, err, out)
				}
			}
		}
		if left := podLeftovers(id, state, known); left != "" {
			t.Errorf("%s (seed %d) left: %s", id, seed, left)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("killed: %v", killed)
}

// mine are the processes of hull that the records below state tell of, and those
// of a session; the value is what each is, and when it was started.
func mine(state string, session int) map[int]string {
	all := map[int]string{}
	records, _ := filepath.Glob(filepath.Join(state, "*", "state.json"))
	for _, name := range records {
		b, _ := os.ReadFile(name) // it may be gone
		for _, part := range bytes.Split(b, []byte(`"pid":`))[1:] {
			n, _ := strconv.Atoi(string(part[:bytes.IndexAny(part, ",}")]))
			if n > 0 {
				all[n] = "sandbox's " + started(n)
			}
		}
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if sid, _ := syscallSID(pid); err == nil && session != 0 && sid == session && pid != session {
			all[pid] = "command " + started(pid)
		}
	}
	return all
}

func syscallSID(pid int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// started is when a process was started, "" if it is none that lives.
func started(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if err != nil || len(f) < 20 || f[0] == "Z" {
		return ""
	}
	return f[19]
}

// killAny kills one of the processes, and says what it was.
func killAny(random *rand.Rand, all map[int]string) string {
	var pids []int
	for pid := range all {
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		return "nothing"
	}
	pid := pids[random.IntN(len(pids))]
	what, _, _ := strings.Cut(all[pid], " ")
	_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	return what
}

// podLeftovers says what there is of a pod that was deleted. Processes are left a
// moment to end.
func podLeftovers(id, state string, known map[int]string) string {
	left := ""
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left = ""
		for pid, what := range known {
			_, start, _ := strings.Cut(what, " ")
			if now := started(pid); now != "" && now == start {
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
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/*" + id + "*")
	return left + strings.Join(groups, " ")
}
