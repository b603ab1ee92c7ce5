package lifecycle

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// odd replaces one value of a JSON document.
func odd(r *rand.Rand, v any) any {
	values := []any{nil, -1, 0, 1 << 40, 0.5, "", "/", "../..", "nosuch", "\x01", strings.Repeat("a", 5000), true, []any{}, map[string]any{}}
	switch v := v.(type) {
	case map[string]any:
		if keys := slices.Sorted(maps.Keys(v)); len(keys) > 0 {
			key := keys[r.IntN(len(keys))]
			v[key] = odd(r, v[key])
			return v
		}
	case []any:
		if len(v) > 0 {
			i := r.IntN(len(v))
			v[i] = odd(r, v[i])
			return v
		}
	}
	return values[r.IntN(len(values))]
}

// TestMutatedBundles: whatever a configuration says, hull runs it or says why not, and
// leaves nothing. What becomes of the ones that are refused when they are read,
// runsc-like/container tests by the thousand. HULL_MUTATED is how many there are.
func TestMutatedBundles(t *testing.T) {
	hull := sandbox.Binary(t)
	n := 40
	if s := os.Getenv("HULL_MUTATED"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	sp := spec(t, "true")
	limit, uid, umask := int64(100), uint32(3), uint32(0o27)
	sp.Process.User = specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{3}, Umask: &umask}
	sp.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	sp.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/a", Type: "c", Major: 1, Minor: 3, UID: &uid}}
	sp.Linux.Sysctl = map[string]string{"kernel.shmmax": "5", "net.core.somaxconn": "9"}
	sp.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_ALLOW", Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: "SCMP_ACT_ERRNO"}}}
	sp.Mounts = append(sp.Mounts, specs.Mount{Destination: "/root", Type: "bind", Source: "/usr/lib", Options: []string{"rbind", "ro"}})
	base, err := json.Marshal(sp)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	state, config := filepath.Join(dir, "state"), filepath.Join(dir, "config.json")
	ran := 0
	for i := range n {
		var v any
		if err := json.Unmarshal(base, &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(odd(r, v))
		if err == nil {
			err = os.WriteFile(config, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		c := exec.CommandContext(ctx, hull, "--root", state, "run", "--bundle", dir, "hull-mutated")
		c.WaitDelay = 5 * time.Second
		out, err := c.CombinedOutput()
		cancel()
		if err == nil {
			ran++
		}
		said := string(out)
		if ctx.Err() == context.DeadlineExceeded || strings.Contains(said, "goroutine ") || strings.Contains(said, "panic") || err != nil && said == "" && c.ProcessState.ExitCode() == 2 {
			t.Errorf("seed %d, number %d: %v\n%s\n%s", seed, i, err, said, b)
		}
		if left, _ := os.ReadDir(state); len(left) != 0 {
			t.Fatalf("seed %d, number %d: it left %s\n%s\n%s", seed, i, left[0].Name(), said, b)
		}
	}
	if ran == 0 || ran == n && n > 10 {
		t.Errorf("%d of %d ran", ran, n)
	}
	t.Logf("%d of %d ran", ran, n)
}
