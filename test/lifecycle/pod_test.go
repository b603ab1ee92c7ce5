package lifecycle

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// podStory is a story of a pod: a sandbox, $C with bundle $B, and two containers
// in it, $C-a and $C-b with bundles $A and $D. With runc, which knows no pods,
// the same namespaces are joined.
type podStory struct {
	name   string
	a, b   string // what the containers run
	change func(a, b *specs.Spec)
	script string
}

const podPrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
status() { $R state $1 2>/dev/null | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p'; }
await() { i=0; until [ "$(status $1)" = $2 ]; do i=$((i+1)); [ $i -lt 100 ] || { echo "$1 never $2"; break; }; sleep 0.05; done; }
join() { sed "s/@PID@/${P}/g;s/@PIDA@/${PA}/g" $1/config.in >$1/config.json; }
up() { $R create --bundle $2 --pid-file $1.pid $1 >$1.out 2>&1 </dev/null && $R start $1 || echo "$1 does not start"; }
ns() { $R exec $1 readlink /proc/self/ns/$2; }
same() { [ "$(ns $1 $3)" = "$(ns $2 $3)" ] && echo "same $3" || echo "other $3"; }
up $C $B; P=$(cat $C.pid); join $A; join $D; a=$C-a; b=$C-b
`

const idle = `trap 'exit 7' TERM; while :; do sleep 0.05; done`

func podStories() []podStory {
	return []podStory{
		{name: "what they share", a: "hostname; touch /tmp/mine; ls /tmp; touch /dev/mqueue/q; " + idle, b: "hostname; ls /tmp /dev/mqueue; exit 4", script: `
			up $a $A; sleep 0.3; cat $a.out; say $R run --bundle $D $b
			for n in ipc uts net pid mnt; do same $C $a $n; done; $R exec $C ls /dev/mqueue`},
		{name: "namespaces of their own", a: "hostname; " + idle, b: idle, change: func(a, _ *specs.Spec) {
			a.Hostname = "mine"
			for i := range a.Linux.Namespaces {
				if ns := &a.Linux.Namespaces[i]; ns.Type != "network" {
					ns.Path = ""
				}
			}
		}, script: `up $a $A; up $b $D; sleep 0.2; cat $a.out; $R exec $a touch /dev/mqueue/q; $R exec $b ls /dev/mqueue; for n in ipc uts pid mnt; do same $a $b $n; done`},
		{name: "one pid namespace", a: "sleep 1000 & " + idle, b: "sleep 1001 & " + idle, change: func(a, b *specs.Spec) {
			sharePIDs(a, "@PID@")
			sharePIDs(b, "@PID@")
		}, script: `
			up $a $A; up $b $D; sleep 0.3; same $a $b pid; $R exec $a sh -c 'ps | grep -c "sleep 100[01]$"'
			say $R exec $a sh -c 'kill -9 $(ps | awk "/sleep 1001$/{print \$1; exit}")'; status $b; $R exec $a sh -c 'ps | grep -c "sleep 1001$"'
			say $R kill $a KILL; await $a stopped; status $b; status $C; say $R delete $a; say $R exec $b echo on`},
		{name: "the processes of another one", a: "sleep 1000 & " + idle, b: "ps | grep -c 'sleep 1000$'; exit 3", change: func(_, b *specs.Spec) { sharePIDs(b, "@PIDA@") },
			script: `up $a $A; sleep 0.2; PA=$(cat $a.pid); join $D; say $R run --bundle $D $b; status $a; same $a $C pid`},
		{name: "ends", a: "exit 5", b: idle, script: `
			up $b $D; say $R run --bundle $A $a; status $b; status $C
			say $R run --bundle $A $a; $R create --bundle $A --pid-file $a.pid $a >/dev/null 2>&1 </dev/null; status $a; kill -0 $(cat $a.pid) && echo alive
			[ "$(cat $a.pid)" = "$($R state $a | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')" ] && echo same pid
			say $R start $a; await $a stopped; kill -0 $(cat $a.pid) 2>/dev/null || echo gone; say $R start $a; say $R kill $a TERM; say $R exec $a true; say $R delete $a
			say $R delete $b; say $R kill $b TERM; await $b stopped; say $R delete $b; status $C`},
		{name: "before the start", a: "echo never", b: "echo never", script: `
			say $R create --bundle $A $a >$a.out </dev/null; status $a; say $R kill $a KILL; await $a stopped; say $R start $a; say $R delete $a; cat $a.out
			say $R create --bundle $D $b >$b.out </dev/null; say $R exec $b echo early; say $R delete $b; say $R state $b; cat $b.out; status $C`},
		{name: "exec in each", a: "echo a >/tmp/who; " + idle, b: "echo b >/tmp/who; " + idle, script: `
			up $a $A; up $b $D; sleep 0.3; for c in $a $b; do say $R exec $c sh -c 'cat /tmp/who; exit 9'; echo text | say $R exec $c cat; done; say $R exec $a nosuch
			$R exec -d --pid-file e.pid $a sleep 1000 >/dev/null 2>&1; kill -0 $(cat e.pid) && echo there; kill -KILL $(cat e.pid); sleep 0.4; $R exec $a sh -c 'ps | grep -c "sleep 1000$"'
			say $R ps $a | awk '/sh -c/{print $(NF-1)}' | head -1; say $R ps $b | tail -1`},
		{name: "signals", a: `for s in HUP USR1; do trap "echo got $s" $s; done; trap 'echo bye; exit 4' TERM; while :; do sleep 0.05; done`, b: idle, script: `
			up $a $A; up $b $D; sleep 0.3; for s in HUP USR1 TERM; do say $R kill $a $s; sleep 0.3; done; await $a stopped; cat $a.out; status $b; say $R kill $a KILL
			say $R kill --all $b KILL; await $b stopped; status $C`},
		{name: "pause one", a: idle, b: idle, script: `
			up $a $A; up $b $D; say $R pause $a; status $a; status $b; say $R exec $a true; say $R exec $b echo on; say $R pause $a; say $R resume $a; status $a; say $R exec $a echo on
			say $R resume $a; say $R pause $a; say $R delete --force $a; say $R state $a; say $R pause $b; say $R kill $b KILL; $R resume $b 2>/dev/null; await $b stopped; status $C`},
		{name: "pause all", a: idle, b: idle, script: `
			up $a $A; up $b $D; for c in $C $a $b; do say $R pause $c; done; for c in $C $a $b; do status $c; done; say $R resume $a; say $R exec $a echo on; say $R exec $C true; status $b
			for c in $b $C; do say $R resume $c; say $R exec $c echo on; done`},
		{name: "limits of one", a: idle, b: idle, change: func(a, _ *specs.Spec) {
			pids := int64(20) // runc itself has some threads there when it executes
			a.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &pids}}
		}, script: `
			crowd() { $R exec $1 sh -c 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); sleep 2 & done; wait' >crowd 2>&1; grep -o "can't fork" crowd; }
			up $a $A; up $b $D; crowd $a; crowd $b; sleep 2; say $R update --pids-limit 100 $a; crowd $a; status $b`},
		{name: "terminal of one", a: "tty; test -t 1 && echo is one; sleep 0.3; stty size; exit 6", b: idle, change: func(a, _ *specs.Spec) { a.Process.Terminal = true }, script: `
			up $b $D; script -qec "stty cols 77 rows 33; $R run --bundle $A $a" out >/dev/null </dev/null; echo "= $?"; grep -v '^Script' out | tr -d '\r' | sed 's,\^@,,g'; status $C`},
		{name: "output to its end", a: "dd if=/dev/zero bs=1M count=50 2>/dev/null", b: "cat; echo end", script: `$R run --bundle $A $a | md5sum; seq 100000 | $R run --bundle $D $b | md5sum`},
		{name: "who cannot be executed", b: idle, change: func(a, _ *specs.Spec) {
			a.Process.Args = []string{"/root/script"}
			a.Mounts = append(a.Mounts, specs.Mount{Destination: "/root", Type: "bind", Source: "@DIR@", Options: []string{"bind"}})
		}, script: `
			mkdir x; printf '#!/no/such\n' >x/script; chmod 755 x/script; sed -i "s#@DIR@#$PWD/x#" $A/config.json
			say $R create --bundle $A $a >$a.out 2>$a.err </dev/null; say $R start $a; await $a stopped; cat $a.out $a.err; say $R delete $a; up $b $D; status $b; status $C`},
		{name: "who cannot start", a: "true", b: idle, change: func(a, _ *specs.Spec) { a.Process.Args = []string{"/nosuch"} }, script: `
			$R create --bundle $A $a >/dev/null 2>&1 </dev/null && echo made; status $a; up $b $D; status $b; status $C`},
	}
}

// sharePIDs makes the pid namespace of s that of a process.
func sharePIDs(s *specs.Spec, pid string) {
	for i := range s.Linux.Namespaces {
		if ns := &s.Linux.Namespaces[i]; ns.Type == specs.PIDNamespace {
			ns.Path = "/proc/" + pid + "/ns/pid"
		}
	}
}

// podSpec is the configuration of a pod's container; role is "sandbox" or
// "container". Namespaces of a container are those of process @PID@.
func podSpec(t *testing.T, guest, role, id string) *specs.Spec {
	t.Helper()
	s := spec(t, guest)
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}})
	s.Process.Capabilities.Effective = append(s.Process.Capabilities.Effective, "CAP_DAC_OVERRIDE")
	s.Process.Capabilities.Permitted, s.Process.Capabilities.Bounding = s.Process.Capabilities.Effective, s.Process.Capabilities.Effective
	s.Annotations = map[string]string{"io.kubernetes.cri.container-type": role, "io.kubernetes.cri.sandbox-id": id}
	if role == "sandbox" {
		s.Hostname = "pod"
		return s
	}
	s.Hostname = ""
	for i := range s.Linux.Namespaces {
		switch ns := &s.Linux.Namespaces[i]; ns.Type {
		case specs.IPCNamespace, specs.UTSNamespace:
			ns.Path = "/proc/@PID@/ns/" + string(ns.Type)
		case specs.NetworkNamespace:
			ns.Path = "/proc/@PID@/ns/net"
		}
	}
	return s
}

// template writes a configuration to a new directory, to be completed.
func template(t *testing.T, s *specs.Spec) string {
	t.Helper()
	dir := bundle(t, s)
	if err := os.Rename(filepath.Join(dir, "config.json"), filepath.Join(dir, "config.in")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tellPod runs a story with one runtime.
func tellPod(t *testing.T, s podStory, runtime, id string) string {
	t.Helper()
	a, b := podSpec(t, s.a, "container", id), podSpec(t, s.b, "container", id)
	if s.change != nil {
		s.change(a, b)
	}
	env := []string{"C=" + id, "B=" + bundle(t, podSpec(t, idle, "sandbox", id)), "A=" + template(t, a), "D=" + template(t, b)}
	return runPod(t, runtime, id, podPrelude+s.script, env)
}

// runPod runs a script and deletes what there is then.
func runPod(t *testing.T, runtime, id, script string, env []string) string {
	t.Helper()
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	r := runtime + " --root " + state
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", script)
	c.Dir = dir
	c.Env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "R="+r, "LC_ALL=C")
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok || ctx.Err() != nil {
			t.Errorf("%s: %v", runtime, err)
		}
	}
	for _, name := range []string{id + "-a", id + "-b", id} {
		if out, err := exec.Command("sh", "-c", bounded+r+" delete --force "+name).CombinedOutput(); err != nil {
			t.Errorf("%s: delete --force at the end: %v\n%s", runtime, err, out)
		}
	}
	if left, _ := os.ReadDir(state); len(left) != 0 {
		t.Errorf("%s left %s", runtime, left[0].Name())
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(out), dir, "DIR"), id, "POD")
}

func TestPods(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run these")
	}
	hull := sandbox.Binary(t)
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range podStories() {
		t.Run(s.name, func(t *testing.T) {
			id := fmt.Sprintf("hull-pod-%d-%c", os.Getpid(), 'a'+i)
			const attempts = 3 // as of the other stories
			for n := 1; ; n++ {
				want, got := tellPod(t, s, runc, id+"-runc"), tellPod(t, s, hull, id+"-hull")
				if got == want {
					return
				}
				if n == attempts {
					t.Fatalf("hull says:\n%s\nrunc says:\n%s", got, want)
				}
				t.Logf("attempt %d: hull says:\n%s\nrunc says:\n%s", n, got, want)
			}
		})
	}
}

// What only hull has: one kernel, whose end is that of all its containers, and
// which outlives each of their gofers.
func TestOneKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	hull := sandbox.Binary(t)
	pid := func(field string) string {
		return `$(tr , '\n' <state/$1/state.json | sed -n '/"` + field + `"/s/.*"pid":\([0-9]*\).*/\1/p')`
	}
	tools := `
gofer() { echo ` + pid("gofer") + `; }
sentry() { echo ` + pid("sentry") + `; }
exited() { i=0; while kill -0 $1 2>/dev/null; do i=$((i+1)); [ $i -lt 100 ] || { echo "$1 never ends"; break; }; sleep 0.05; done; }
`
	for _, s := range []struct{ name, script, want string }{
		{"one sentry", `up $a $A; up $b $D; [ $(sentry $a) = $(sentry $C) ] && [ $(sentry $b) = $(sentry $C) ] && echo one
			[ $(gofer $a) = $(cat $a.pid) ] && [ $(sentry $C) = $(cat $C.pid) ] && echo known`, "one\nknown\n"},
		{"the end of the sandbox", `up $a $A; up $b $D; say $R kill $C TERM; await $C stopped; await $a stopped; await $b stopped
			for c in $a $b $C; do exited $(cat $c.pid); say $R delete $c; done`, "= 0\n= 0\n= 0\n= 0\n"},
		{"the sandbox deleted", `up $a $A; say $R delete --force $C; status $C; await $a stopped; say $R exec $a true; say $R kill $a TERM; say $R delete $a
			$R create --bundle $D $b >out 2>&1 </dev/null && echo made; grep -o 'does not exist' out`, "= 0\n= 255\n= 1\n= 0\ndoes not exist\n"},
		{"a gofer that dies", `up $a $A; up $b $D; kill -KILL $(gofer $a); await $a stopped; status $b; status $C; say $R exec $b echo on; say $R delete $a; up $a $A; status $a`,
			"running\nrunning\non\n= 0\n= 0\nrunning\n"},
		{"the sentry dies", `up $a $A; up $b $D; kill -KILL $(sentry $C); for c in $a $b $C; do exited $(cat $c.pid); status $c; say $R delete $c; done`,
			"stopped\n= 0\nstopped\n= 0\nstopped\n= 0\n"},
		{"a signal to who stands for it", `up $a $A; i=0; while kill -TERM $(cat $a.pid) 2>/dev/null && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done; await $a stopped; status $C`, "running\n"},
		{"what it uses", `up $a $A; up $b $D; $R pause $b; $R exec $a sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'
			used() { $R events --stats $1 | sed -n 's/.*"usage":{"total":\([0-9]*\).*/\1/p'; }; [ $(used $a) -gt $(($(used $b) * 2)) ] && echo more
			three() { i=0; until n=$("$@" | awk '{print $1}'); [ "$n" = 3 ] || [ $i -gt 20 ]; do i=$((i+1)); done; echo $n; } # its shell is between two sleeps now and then
			three $R exec $a cat /sys/fs/cgroup/pids.current; three $R exec $a wc -l </dev/null /sys/fs/cgroup/cgroup.procs`, "more\n3\n3\n"},
		{"nothing is kept", `up $a $A; $R delete --force $a; n=$(ls /proc/$P/fd | wc -l)
			for i in 1 2 3 4 5 6 7 8; do up $a $A; $R exec $a true; $R delete --force $a; done
			i=0; until [ $(ls /proc/$P/fd | wc -l) -le $((n + 2)) ]; do i=$((i+1)); [ $i -lt 100 ] || { ls -l /proc/$P/fd; break; }; sleep 0.1; done; echo same`, "same\n"},
	} {
		t.Run(s.name, func(t *testing.T) {
			id := fmt.Sprintf("hull-pod-%d-%s", os.Getpid(), strings.ReplaceAll(s.name, " ", "-"))
			a, b := podSpec(t, idle, "container", id), podSpec(t, idle, "container", id)
			for _, c := range []*specs.Spec{a, b} {
				c.Mounts = append(c.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}})
			}
			env := []string{"C=" + id, "B=" + bundle(t, podSpec(t, idle, "sandbox", id)), "A=" + template(t, a), "D=" + template(t, b)}
			if got := runPod(t, hull, id, tools+podPrelude+s.script, env); got != s.want {
				t.Errorf("hull says:\n%s\nwant:\n%s", got, s.want)
			}
		})
	}
}
