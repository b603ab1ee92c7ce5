package lifecycle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
	before := processes(hull)
	for i := range crashes(t) {
		id := fmt.Sprintf("hull-podcrash-%d-%d-", os.Getpid(), i)
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
		killed[killOne(random, hull, before)]++
		time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		_ = c.Wait() // its status is anything
		cancel()
		for range 2 { // what one leaves undone the next one does
			for _, name := range []string{id + "-b", id, id + "-a"} {
				if out, err := exec.Command("sh", "-c", bounded+r+" delete --force "+name).CombinedOutput(); err != nil {
					t.Errorf("%s: delete --force: %v\n%s", name, err, out)
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
