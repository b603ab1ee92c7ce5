package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hull/test/internal/sandbox"
)

// togetherFor is how long verbs are let loose on each other. HULL_TOGETHER sets it.
func togetherFor(t *testing.T) time.Duration {
	s := os.Getenv("HULL_TOGETHER")
	if s == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// melee is some containers, and verbs that work on them at the same time.
type melee struct {
	hull, dir string
	ids       []string // the first is a pod's sandbox
	bundles   []string // of each
	killing   bool     // processes of hull's are killed, too
	before    map[int]string

	mu   sync.Mutex
	done map[string]int // how often a verb succeeded, and how often not
	hung []string       // what went wrong
}

// verb makes up a command.
func (m *melee) verb(random *rand.Rand) []string {
	i := random.IntN(len(m.ids))
	id, dir := m.ids[i], m.bundles[i]
	all := [][]string{
		{"create", "--bundle", dir, id}, {"create", "--bundle", dir, id}, {"start", id}, {"start", id}, {"run", "-d", "--bundle", dir, id},
		{"kill", id, "TERM"}, {"kill", id, "KILL"}, {"kill", "--all", id, "USR1"}, {"delete", id}, {"delete", "--force", id},
		{"exec", id, "true"}, {"exec", id, "sh", "-c", "exit 3"}, {"exec", "-d", id, "sleep", "1"}, {"exec", "--ignore-paused", id, "sleep", "0.05"},
		{"pause", id}, {"resume", id}, {"resume", id}, {"update", "--memory", "300m", id}, {"update", "--pids-limit", "100", id},
		{"events", "--stats", id}, {"state", id}, {"ps", id}, {"list"},
	}
	return all[random.IntN(len(all))]
}

// fight runs verbs, one after the other, until ctx is done. None may take longer than
// a busy machine explains.
func (m *melee) fight(ctx context.Context, random *rand.Rand) {
	const patience = time.Minute
	for ctx.Err() == nil {
		verb := m.verb(random)
		c := exec.Command(m.hull, append([]string{"--root", filepath.Join(m.dir, "state")}, verb...)...)
		c.Dir = m.dir
		var out bytes.Buffer
		c.Stderr = &out // nobody but the verb itself may keep it: what runs on has files of its own
		if verb[0] == "create" || verb[0] == "run" || verb[0] == "exec" {
			c.Stderr = nil
		}
		if err := c.Start(); err != nil {
			m.mu.Lock()
			m.hung = append(m.hung, err.Error())
			m.mu.Unlock()
			return
		}
		end := time.AfterFunc(patience, func() {
			m.mu.Lock()
			m.hung = append(m.hung, strings.Join(verb, " "))
			m.mu.Unlock()
			_ = c.Process.Signal(syscall.SIGABRT) // it says where it is
			time.AfterFunc(time.Second, func() { _ = c.Process.Kill() })
		})
		key := verb[0]
		if c.Wait() != nil {
			key += " refused"
		}
		end.Stop()
		m.mu.Lock()
		m.done[key]++
		// Who kills a container thaws it, and who pauses it has to get along with that.
		if strings.Contains(out.String(), "goroutine ") || strings.Contains(out.String(), "while freezing") || strings.Contains(out.String(), "unable to freeze") {
			m.hung = append(m.hung, strings.Join(verb, " ")+":\n"+out.String())
		}
		m.mu.Unlock()
	}
}

// TestTogether runs verbs against each other, on a container and on a pod, and with
// processes of hull's that are killed meanwhile. None hangs, and in the end nothing is
// left.
func TestTogether(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	hull := sandbox.Binary(t)
	for _, c := range []struct {
		name         string
		pod, killing bool
	}{{"a container", false, false}, {"a pod", true, false}, {"a pod that is killed", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			const guest = "trap 'exit 0' TERM; trap : USR1; while :; do sleep 0.05; done"
			id := fmt.Sprintf("hull-together-%d-", os.Getpid())
			m := &melee{hull: hull, dir: t.TempDir(), killing: c.killing, before: processes(hull), done: map[string]int{}}
			m.ids, m.bundles = []string{id}, []string{bundle(t, spec(t, guest))}
			if c.pod {
				m.bundles[0] = bundle(t, podSpec(t, guest, "sandbox", id))
				for _, name := range []string{"a", "b"} {
					s := podSpec(t, guest, "container", id)
					for i := range s.Linux.Namespaces {
						ns := &s.Linux.Namespaces[i]
						ns.Path = strings.ReplaceAll(ns.Path, "@PID@", "1") // nobody's of hull's: it is the sandbox's
					}
					m.ids, m.bundles = append(m.ids, id+name), append(m.bundles, bundle(t, s))
				}
			}
			m.run(t)
		})
	}
}

// thaw resumes what the last verb may have left paused, once ctx is done and until every
// verb ended: who enters a container in spite of its pause (`exec --ignore-paused`) waits
// for its end, and of the verbs that are still under way one may be a pause.
func (m *melee) thaw(ctx context.Context, ended <-chan struct{}) {
	<-ctx.Done()
	for {
		for _, id := range m.ids {
			_ = exec.Command(m.hull, "--root", filepath.Join(m.dir, "state"), "resume", id).Run() // mostly it is not paused
		}
		select {
		case <-ended:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (m *melee) run(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(context.Background(), togetherFor(t))
	defer cancel()
	const fighters = 5
	var all sync.WaitGroup
	for n := range fighters {
		all.Go(func() { m.fight(ctx, rand.New(rand.NewPCG(seed, uint64(n)))) })
	}
	if m.killing {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, fighters))
			for ctx.Err() == nil {
				time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
				killOne(random, m.hull, m.before)
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	m.thaw(ctx, ended)
	t.Logf("seed %d: %v", seed, m.done)
	for _, hung := range m.hung {
		t.Errorf("never ended, or went wrong: %s", hung)
	}
	state := filepath.Join(m.dir, "state")
	for _, id := range append(m.ids[1:], m.ids[0]) {
		for _, verb := range [][]string{{"delete", "--force", id}, {"delete", "--force", id}} {
			if out, err := exec.Command(m.hull, append([]string{"--root", state}, verb...)...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", verb, err, out)
			}
		}
	}
	if left := leftovers(m.hull, m.ids[0], state, m.before); left != "" {
		t.Errorf("left: %s", left)
	}
}
