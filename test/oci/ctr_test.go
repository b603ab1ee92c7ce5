package oci

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"hull/test/internal/sandbox"
)

// ctrPrelude is what the scripts have: $CTR, which is ctr with a namespace of the
// runtime's, $RUN, which is `ctr run` with the runtime, under containerd's own shim;
// $I is the image, $N a name for a container that is gone afterwards.
const ctrPrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
state() { $CTR task ls | awk -v n=$N '$1 == n { print $3 }'; }
await() { i=0; until [ "$(state)" = "$1" ]; do i=$((i+1)); [ $i -lt 100 ] || { echo "never $1 but $(state)"; return; }; sleep 0.1; done; }
back() { $RUN -d "$@" >/dev/null && await RUNNING; } # what it says is lost when ctr ends
tty() { script -qec "$1" /dev/null </dev/null | tr -d '\r' | sed 's/\^@//g'; }
`

func ctrCases() []scriptCase {
	const loop = `sh -c 'trap "exit 5" TERM; trap "echo usr1" USR1; echo up; while :; do sleep 0.05; done'`
	return []scriptCase{
		{"run", `say $RUN --rm $I $N echo hello; say $RUN --rm $I $N sh -c 'exit 3'; say $RUN --rm $I $N sh -c 'kill -9 $$'; say $CTR c info $N`},
		{"what cannot be run", `say $RUN --rm $I $N nosuch; say $RUN --rm $I $N /etc/passwd; $RUN --rm $I $N nosuch 2>&1 | grep -o 'exec: "nosuch": executable file not found in $PATH'; $CTR c ls -q`},
		{"streams", `seq 100000 | $RUN --rm $I $N md5sum; $RUN --rm $I $N sh -c 'echo o; echo e >&2' 2>/dev/null; $RUN --rm $I $N sh -c 'echo e >&2' 2>&1 >/dev/null
			$RUN --rm $I $N dd if=/dev/zero bs=1M count=100 2>/dev/null | md5sum`},
		{"environment", `echo B=2 >envs; say $RUN --rm --env A=1 --env-file envs --cwd /tmp $I $N sh -c 'echo $A $B $HOME; pwd; hostname'; say $RUN --rm --label l=1 --annotation a=b $I $N true`},
		{"capabilities", `say $RUN --rm $I $N grep -e Cap -e NoNew /proc/self/status; say $RUN --rm --cap-drop CAP_CHOWN --cap-add CAP_SYS_ADMIN --allow-new-privs $I $N grep -e Cap -e NoNew /proc/self/status`},
		{"privileged", `say $RUN --rm --privileged $I $N sh -c 'grep CapEff /proc/self/status; touch /proc/sys/kernel/x; mount -t tmpfs x /tmp && echo mounted'`},
		{"seccomp", `say $RUN --rm --seccomp $I $N grep Seccomp: /proc/self/status; say $RUN --rm $I $N grep Seccomp: /proc/self/status
			echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","args":[]}]}' >profile
			$RUN --rm --seccomp --seccomp-profile profile $I $N mkdir /x 2>&1`},
		{"mounts", `mkdir m; echo data >m/f; say $RUN --rm --mount type=bind,src=$PWD/m,dst=/m,options=rbind:ro $I $N sh -c 'cat /m/f; echo no >/m/f'
			say $RUN --rm --mount type=bind,src=$PWD/m,dst=/m,options=rbind:rw $I $N sh -c 'echo more >>/m/f'; cat m/f
			say $RUN --rm --mount type=tmpfs,src=tmpfs,dst=/t,options=size=64k $I $N sh -c 'df /t | tail -1 | awk "{print \$2}"'; say $RUN --rm --mount type=bind,src=$PWD/none,dst=/m,options=rbind $I $N true; $CTR c ls -q`},
		{"read-only", `say $RUN --rm --read-only $I $N sh -c 'touch /x'; say $RUN --rm --device /dev/null $I $N sh -c 'ls /dev'`},
		{"limits", `say $RUN --rm --memory-limit 67108864 --cpus 0.5 $I $N true; back --memory-limit 67108864 --cpus 0.5 $I $N sleep 100; $CTR task metrics $N | grep -i -e memory.limit -e memory.usage_in_bytes -e pids.limit | awk '{print $1, NF}' | sort; $CTR task metrics --format json $N | grep -o '"hierarchical_memory_limit":[0-9]*'`},
		{"background", `back $I $N ` + loop + `; $CTR task ls | awk -v n=$N '$1 == n { print $3 }'; $CTR task ps $N | grep -c '^[0-9]' | sed 's/^[1-9].*/some/'; kill -0 $($CTR task ls | awk -v n=$N '$1 == n { print $2 }') && echo alive
			$CTR task kill -s TERM $N; await STOPPED; say $CTR task rm $N; say $CTR task rm $N; $CTR c rm $N; $CTR c ls -q`},
		{"pid file", `$RUN -d --pid-file pid $I $N sleep 100; [ "$(cat pid)" = "$($CTR task ls | awk -v n=$N '$1 == n { print $2 }')" ] && echo same; say $CTR task rm -f $N; kill -0 $(cat pid) 2>/dev/null || echo gone`},
		{"container, then task", `say $CTR c create --runc-binary $RT --runc-root $RR $I $N sh -c 'echo out; exit 6'; $CTR c ls -q; say $CTR task start $N; say $CTR task start $N; say $CTR c rm $N`},
		{"attach", `back $I $N ` + loop + ` >log 2>&1; $CTR task attach $N >att 2>&1 & sleep 0.5; $CTR task kill -s TERM $N; wait $!; echo "= $?"; say $CTR task rm $N`},
		{"exec", `back $I $N sleep 100; say $CTR task exec --exec-id a $N sh -c 'echo in; exit 4'; say $CTR task exec --exec-id b --cwd /tmp --user 5:6 $N sh -c 'pwd; id'; say $CTR task exec --exec-id c $N nosuch
			seq 50000 | $CTR task exec --exec-id d $N md5sum; $CTR task exec -d --exec-id e $N sleep 77; sleep 0.5; $CTR task exec --exec-id f $N ps | grep -c 'sleep 77'; say $CTR task kill --exec-id e -s KILL $N; say $CTR task rm --exec-id e $N; $CTR task exec --exec-id g $N ps | grep -c 'sleep 77'`},
		{"many execs", `back $I $N sleep 100; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do $CTR task exec --exec-id e$i $N sh -c "echo \$(($i*$i))" & done | sort -n`},
		// A terminal of a process that has ended already cannot be resized, which ctr
		// may come to say.
		{"terminals", `{ tty "$RUN --rm -t $I $N sh -c 'tty; test -t 2 && echo is one; exit 3'; echo = \$?"; back $I $N sleep 100; tty "$CTR task exec -t --exec-id a $N sh -c 'tty; exit 3'; echo = \$?"; } | grep -v 'resize pty'`},
		{"terminal size", `tty "stty rows 30 cols 99; $RUN --rm -t $I $N sh -c 'sleep 0.7; stty size'"`},
		{"pause", `back $I $N sleep 100; $CTR task pause $N; state; say $CTR task exec --exec-id a $N true; $CTR task resume $N; state; say $CTR task exec --exec-id b $N echo on; say $CTR task resume $N; $CTR task pause $N; say $CTR task pause $N; $CTR task kill -s KILL $N; $CTR task resume $N 2>/dev/null; await STOPPED; say $CTR task rm $N`},
		{"signals", `back $I $N sh -c 'trap "exit 6" HUP; while :; do sleep 0.05; done'; sleep 0.3; say $CTR task kill -s 1 $N; await STOPPED; say $CTR task rm $N; say $CTR task kill $N; $CTR c rm $N
			back $I $N sh -c 'sleep 101 & sleep 100'; say $CTR task kill --all -s SIGKILL $N; await STOPPED; say $CTR task rm $N`},
		{"delete a running one", `back $I $N sleep 100; say $CTR c rm $N; say $CTR task rm $N; state; say $CTR task rm -f $N; say $CTR c rm $N; $CTR c ls -q`},
		{"checkpoint", `back $I $N sleep 100; say $CTR task checkpoint $N; state; say $CTR task exec --exec-id a $N echo on; say $CTR task rm -f $N`},
		{"no root", `say $RUN --rm --rootfs $PWD/none $N true; $CTR c ls -q`},
		{"network of the host", `say $RUN --rm --net-host $I $N sh -c 'cat /etc/resolv.conf >/dev/null && echo has it'`},
		{"other ids", `say $RUN --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 $I $N sh -c 'id -u; cat /proc/self/uid_map | tr -s " "; touch /tmp/x; ls -ln /tmp/x | cut -d" " -f1-12'`},
		{"cgroup", `back --cgroup /$N $I $N sleep 100; ls -d /sys/fs/cgroup/memory/$N /sys/fs/cgroup/pids/$N; wc -l </sys/fs/cgroup/memory/$N/tasks | grep -c -v '^0'; say $CTR task rm -f $N; ls -d /sys/fs/cgroup/*/$N`},
	}
}

// ctr runs the cases of containerd's command.
func (d *daemons) ctr(t *testing.T) {
	binary := map[string]string{"runc": "runc", "hull": sandbox.Binary(t)}
	ctr := func(runtime string) string { return "ctr --address " + d.sock + " --namespace " + runtime }
	for runtime := range binary {
		if out, err := exec.Command("sh", "-c", fmt.Sprintf("%s images import %s", ctr(runtime), d.archive())).CombinedOutput(); err != nil {
			t.Fatalf("ctr images import: %v\n%s", err, out)
		}
	}
	root := func(runtime string) string { return d.dir + "/" + runtime }
	e := &teller{
		label:   "ctr-",
		prelude: ctrPrelude,
		env: func(runtime, name string) []string {
			return append(os.Environ(), "I="+image, "N="+name, "RT="+binary[runtime], "RR="+root(runtime), "CTR="+ctr(runtime),
				"RUN="+ctr(runtime)+" run --runc-binary "+binary[runtime]+" --runc-root "+root(runtime))
		},
		clean: func(runtime, name string) {
			script := fmt.Sprintf("%[1]s task rm -f %[2]s; %[1]s c rm %[2]s", ctr(runtime), name)
			_ = exec.Command("sh", "-c", script).Run() // most cases have removed it
		},
	}
	e.compare(t, ctrCases())
}
