package lifecycle

import (
	"fmt"
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// The limits and counters of a pod's containers are those of each, and their
// processes bear the guest's names on the host.
func TestPodLimits(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	hull := sandbox.Binary(t)
	const tools = podPrelude + `
memory() { $R events --stats $1 | sed -n 's/.*"memory":{[^{]*"usage":{[^}]*"usage":\([0-9]*\).*/\1/p'; }
cpu() { $R events --stats $1 | sed -n 's/.*"usage":{"total":\([0-9]*\).*/\1/p'; }
till() { i=0; while ! eval "$1"; do i=$((i+1)); [ $i -lt 100 ] || { echo "never: $1"; break; }; sleep 0.1; done; }
more='BEGIN { s = sprintf("%200000000s", "x"); print length(s) }'
hold='BEGIN { s = sprintf("%40000000s", "x"); print length(s); fflush(); while (1) system("sleep 1") }'
`
	const hog = `awk 'BEGIN { s = sprintf("%200000000s", "x"); print length(s) }'; echo $?`
	memory, quota, period := int64(64<<20), int64(20000), uint64(100000)
	for _, s := range []struct {
		name, script, want string
		a                  string               // what it runs
		limits             specs.LinuxResources // of a
	}{
		{"memory", `up $b $D; say $R run --bundle $A $a; say $R run --bundle $A $a; say $R exec $b awk "$more"
			for c in $C $b; do status $c; say $R exec $c echo on; done`,
			"137\n= 0\n137\n= 0\n200000000\n= 0\nrunning\non\n= 0\nrunning\non\n= 0\n", hog, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}},
		{"memory that the kernel fills", `up $b $D; say $R run --bundle $A $a; say $R exec $b dd if=/dev/zero of=/dev/null bs=200M count=1
			for c in $C $b; do status $c; say $R exec $c echo on; done`,
			"137\n= 0\n= 0\nrunning\non\n= 0\nrunning\non\n= 0\n", "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null; echo $?",
			specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}},
		{"whose memory", `up $a $A; up $b $D; $R exec -d $a awk "$hold" >$a.hold 2>&1; till 'grep -q 40000000 $a.hold'
			[ $(memory $a) -gt 40000000 ] && [ $(memory $b) -lt 20000000 ] && echo "a's"; $R exec $a sh -c 'kill $(ps | awk "/BEGIN/{print \$1}")'
			till '[ $(memory $a) -lt 30000000 ]'; $R exec $b dd if=/dev/zero of=/dev/null bs=30M count=1 2>/dev/null; say $R delete --force $a; [ $(memory $b) -lt 60000000 ] && echo less`,
			"a's\n= 0\nless\n", idle, specs.LinuxResources{}},
		{"processor time", `up $a $A; up $b $D; x=$(cpu $a); y=$(cpu $b); for c in $a $b; do $R exec -d $c sh -c 'while :; do :; done' >out 2>&1; done
			s=$(date +%s%N); till '[ $(cpu $b) -gt $((y + 1500000000)) ]'; x=$(($(cpu $a) - x)); s=$(($(date +%s%N) - s))
			[ $x -gt 100000000 ] && [ $x -lt $((s * 3 / 10 + 200000000)) ] && echo held || echo "$x of $s"`, "held\n", idle,
			specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: &quota, Period: &period}}},
		{"names", `up $a $A; up $b $D; $R exec -d $a sleep 1000 >out 2>&1; $R exec -d $b sleep 1001 >out 2>&1
			show() { ps -o args= -p $($R ps --format json $1 | tr -d '[]\n ') | sort; }; show $a | grep "^sleep 1...$"; echo; show $b | grep "^sleep 1...$"
			ps -o comm=,args= -p $($R ps --format json $a | tr -d '[]\n ') | grep -c '^sh .*trap'`,
			"sleep 1000\n\nsleep 1001\n1\n", idle, specs.LinuxResources{}},
	} {
		t.Run(s.name, func(t *testing.T) {
			id := fmt.Sprintf("hull-podlimit-%d-%c%c", os.Getpid(), s.name[0], s.name[len(s.name)-1])
			a, b := podSpec(t, s.a, "container", id), podSpec(t, idle, "container", id)
			a.Linux.Resources = &s.limits
			env := []string{"C=" + id, "B=" + bundle(t, podSpec(t, idle, "sandbox", id)), "A=" + template(t, a), "D=" + template(t, b)}
			if got := runPod(t, hull, id, tools+s.script, env); got != s.want {
				t.Errorf("hull says:\n%s\nwant:\n%s", got, s.want)
			}
		})
	}
}
