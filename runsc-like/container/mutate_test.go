package container

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hull/runsc-like/cgroup"
)

// mutator changes one thing of a JSON document, and says where.
type mutator struct {
	*rand.Rand
	at []string
}

// change returns v with one change in it.
func (m *mutator) change(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			m.at = append(m.at, "extra")
			return map[string]any{"extra": m.value()}
		}
		keys := slices.Sorted(maps.Keys(v))
		key := keys[m.IntN(len(keys))]
		out := maps.Clone(v)
		m.at = append(m.at, key)
		switch m.IntN(6) {
		case 0:
			out[key+"x"] = out[key]
			delete(out, key)
		case 1:
			out[key] = m.value()
		default:
			out[key] = m.change(v[key])
		}
		return out
	case []any:
		if len(v) == 0 || m.IntN(4) == 0 {
			return m.value()
		}
		i := m.IntN(len(v))
		out := slices.Clone(v)
		out[i] = m.change(v[i])
		return out
	}
	return m.value()
}

func (m *mutator) value() any {
	values := []any{
		nil, true, -1, 0, 1 << 40, -1.5, "", "\x00", "../..", "/", "nosuch", strings.Repeat("a", 5000), []any{}, []any{"x"}, []any{nil},
		map[string]any{}, map[string]any{"x": 1},
	}
	return values[m.IntN(len(values))]
}

// rich is a configuration with something of everything.
const rich = `{"hostname":"h","domainname":"d",
	"process":{"terminal":true,"consoleSize":{"height":3,"width":4},"user":{"uid":1,"gid":2,"umask":18,"additionalGids":[3]},"env":["A=b"],
	 "capabilities":{"bounding":["CAP_KILL"]},"rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":2}],"noNewPrivileges":true,"oomScoreAdj":5,
	 "scheduler":{"policy":"SCHED_RR","priority":3},"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":3}},
	"mounts":[{"destination":"/m","type":"bind","source":"/","options":["rbind","ro"]},{"destination":"/t","type":"tmpfs","source":"t","options":["size=1m"]}],
	"hooks":{"prestart":[{"path":"/bin/true","args":["true"],"env":["A=b"],"timeout":3}],"poststop":[{"path":"/bin/true"}]},
	"annotations":{"a":"b"},
	"linux":{"devices":[{"path":"/dev/x","type":"c","major":1,"minor":3,"fileMode":438,"uid":0,"gid":0}],"sysctl":{"net.core.somaxconn":"7"},
	 "cgroupsPath":"/a/b","maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],"rootfsPropagation":"private","personality":{"domain":"LINUX"},
	 "uidMappings":[{"containerID":0,"hostID":1,"size":2}],"gidMappings":[{"containerID":0,"hostID":1,"size":2}],
	 "namespaces":[{"type":"pid"},{"type":"user"},{"type":"mount"},{"type":"time"}],"timeOffsets":{"boottime":{"secs":5,"nanosecs":7}},
	 "seccomp":{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":3,"architectures":["SCMP_ARCH_X86_64"],"flags":["SECCOMP_FILTER_FLAG_LOG"],
	  "syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":5,"args":[{"index":0,"value":8,"valueTwo":1,"op":"SCMP_CMP_EQ"}]}]},
	 "resources":{"devices":[{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}],"memory":{"limit":10000000},
	  "cpu":{"shares":100,"quota":1000,"period":2000,"cpus":"0"},"pids":{"limit":7},
	  "blockIO":{"weight":100,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}]},"hugepageLimits":[{"pageSize":"2MB","limit":1}],
	  "network":{"classID":1,"priorities":[{"name":"eth0","priority":1}]},"unified":{"memory.high":"1"}}}}`

// What is wrong with a configuration is said by the name of a property that was
// changed, or of one that goes with it.
func TestMutatedConfigs(t *testing.T) {
	dir := bundleDir(t)
	base := merge(t, rich)
	if _, _, err := ParseConfig(base, dir); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(base, &v); err != nil {
		t.Fatal(err)
	}
	m := mutator{Rand: rand.New(rand.NewPCG(1, 2))}
	refused := 0
	for range 5000 {
		m.at = nil
		b, err := json.Marshal(m.change(v))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = ParseConfig(b, dir)
		if err == nil {
			continue
		}
		refused++
		last := m.at[len(m.at)-1]
		if above := m.at[max(len(m.at)-2, 0)]; above == "sysctl" || above == "annotations" {
			last = above // of what is in such a list, the decoder names the list
		}
		companions := map[string]string{"height": "consoleSize", "width": "consoleSize", "soft": "rlimits", "hard": "rlimits",
			"namespaces": "Mappings", "type": "mounts", "destination": "mounts", "options": "mounts", "source": "mounts", "hostID": "Mappings",
			"containerID": "Mappings", "size": "Mappings", "policy": "scheduler", "quota": "burst", "name": "priorities"}
		if text := err.Error(); !strings.Contains(text, last) && (companions[last] == "" || !strings.Contains(text, companions[last])) {
			t.Errorf("%s was changed: %v", strings.Join(m.at, "."), err)
		}
	}
	if refused < 2000 {
		t.Errorf("only %d were refused", refused)
	}
}

// A damaged record is an error that names the file, and does not keep the
// container from being deleted.
func TestMutatedRecords(t *testing.T) {
	root := Root{Dir: t.TempDir()}
	dir := bundleDir(t)
	spec, _, err := ParseConfig(merge(t, `{}`), dir)
	if err != nil {
		t.Fatal(err)
	}
	write := func(id string) []byte {
		c, err := root.make(id)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m, err := cgroup.New(spec, id, cgroup.Options{})
		if err == nil {
			s := m.State()
			c.Cgroup = &s
		}
		c.Bundle, c.Created = dir, time.Now()
		c.setSpec(spec)
		c.Sentry = Process{PID: 1 << 22, Start: 7}
		c.Gofer = c.Sentry
		if err := c.save(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(c.path(recordFile))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 1000 {
		id := fmt.Sprintf("c%d", i)
		b := write(id)
		if i%4 == 0 {
			b = torn(r, b)
		} else {
			var v any
			if err := json.Unmarshal(b, &v); err != nil {
				t.Fatal(err)
			}
			m := mutator{Rand: r}
			if b, err = json.Marshal(m.change(v)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(root.Dir, id, recordFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := root.Look(id)
		if err != nil && !strings.Contains(err.Error(), recordFile) {
			t.Errorf("%v\n%s", err, b)
		}
		err = root.Delete(id, true)
		if _, serr := os.Stat(filepath.Join(root.Dir, id)); !os.IsNotExist(serr) {
			t.Fatalf("deleted with %v, and it is there\n%s", err, b)
		}
	}
}

// torn returns b with bytes changed or cut off.
func torn(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	if r.IntN(2) == 0 {
		return b[:r.IntN(len(b))]
	}
	for range 1 + r.IntN(4) {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	return b
}
