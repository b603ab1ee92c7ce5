package lifecycle

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// story is a shell script that works on container $C of bundle $B with runtime
// $R, and prints what it sees. say prints a command's output and status; status
// the container's.
type story struct {
	name   string
	guest  string // what the container runs
	change func(*specs.Spec)
	script string
}

const prelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
# what a command says when it fails, without who says it and when
why() { "$@" 2>&1 >/dev/null | sed 's/^time=.* msg="//; s/"$//; s/\\"/"/g; s/^hull: //; s/^runc [a-z]* failed: //; s/^exec failed: //' | tail -1; }
status() { $R state $C | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p'; }
await() { i=0; until [ "$(status)" = $1 ]; do i=$((i+1)); [ $i -lt 100 ] || { echo "never $1"; break; }; sleep 0.05; done; }
`

const forever = `trap 'exit 7' TERM; while :; do sleep 0.05; done`

func stories() []story {
	return []story{
		{name: "whole life", guest: "echo hello; exit 3", script: `
			$R create --bundle $B --pid-file pid $C >out; echo "= $?"; status
			[ "$(cat pid)" = "$($R state $C | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')" ] && echo same pid
			say $R start $C; await stopped; cat out; say $R start $C; say $R kill $C TERM; say $R delete $C; say $R state $C; say $R delete $C`},
		{name: "run", guest: "echo out; echo err >&2; exit 5", script: `say $R run --bundle $B $C; say $R state $C; cd $B; say $R run $C`},
		{name: "run detached", guest: forever, script: `
			say $R run -d --bundle $B --pid-file pid $C >out; status; kill -0 $(cat pid) && echo alive
			say $R kill $C TERM; await stopped; kill -0 $(cat pid) 2>/dev/null || echo gone; say $R delete $C`},
		{name: "who it is", guest: "id; pwd; env | sort; hostname; umask; grep -e NoNewPrivs -e CapEff /proc/self/status; ulimit -n; cat /proc/1/comm",
			change: func(s *specs.Spec) {
				s.Process.User = specs.User{UID: 12, GID: 34, AdditionalGids: []uint32{56, 78}}
				s.Process.Cwd = "/tmp"
				s.Process.Env = append(s.Process.Env, "A=b c")
			}, script: `say $R run --bundle $B $C`},
		{name: "files", guest: `ls /; ls -ld /tmp; touch /x; touch /proc/sys/x; ls -l /dev | awk '{print $1, $NF}'; cat /proc/mounts | awk '{print $2}' | sort | head -3`,
			script: `say $R run --bundle $B $C`},
		{name: "what is bind mounted", guest: `awk '$5 ~ "^/root" {n = split($4, a, "/"); print a[n], $5}' /proc/self/mountinfo`, change: func(s *specs.Spec) {
			for _, source := range []string{"/usr/lib", "/etc/passwd"} {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/root/at" + source, Type: "bind", Source: source, Options: []string{"rbind", "ro"}})
			}
		}, script: `say $R run --bundle $B $C`},
		{name: "what is mounted beneath", guest: `cat /root/all/in/f; ls /root/bare /root/bare/in; echo $HOME; touch /root/ro/x 2>&1; cat /root/ro/new/passwd | wc -l | sed 's/[1-9].*/some/'`, change: func(s *specs.Spec) {
			dir := filepath.Join(filepath.Dir(s.Annotations["log"]), "d")
			s.Process.Env = append(s.Process.Env, "HOME=")
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/root", Type: "tmpfs", Source: "tmpfs"}, specs.Mount{Destination: "/root/all", Type: "bind", Source: dir, Options: []string{"rbind"}},
				specs.Mount{Destination: "/root/bare", Type: "bind", Source: dir, Options: []string{"bind"}}, specs.Mount{Destination: "/root/ro", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro"}},
				specs.Mount{Destination: "/root/ro/new/passwd", Type: "bind", Source: "/etc/passwd", Options: []string{"rbind"}})
		}, script: `mkdir -p d/in; mount -t tmpfs beneath d/in; echo seen >d/in/f; $R run --bundle $B $C 2>&1; echo "= $?"; umount d/in`},
		{name: "signals", guest: `for s in HUP INT USR1 USR2; do trap "echo got $s" $s; done; trap 'echo bye; exit 4' TERM; while :; do sleep 0.05; done`, script: `
			$R create --bundle $B $C >out 2>&1; $R start $C; sleep 0.3
			for s in HUP SIGINT 10 usr2 TERM; do say $R kill $C $s; sleep 0.3; done; await stopped; cat out; say $R delete $C`},
		{name: "signals to its process", guest: `for s in HUP INT QUIT USR1 ALRM WINCH; do trap "echo got $s" $s; done; trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done`, script: `
			$R create --bundle $B --pid-file pid $C >out 2>&1; $R start $C; i=0; until grep -q up out || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done
			for s in HUP INT QUIT USR1 ALRM WINCH TERM; do kill -$s $(cat pid); sleep 0.3; done; await stopped; cat out; say $R delete $C`},
		{name: "signals that are none", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; say $R kill $C NOSIG; say $R kill $C 99; status; say $R kill --all $C 0; say $R kill $C ""; await stopped
			say $R kill --all $C KILL; say $R kill $C 0; $R state $C | grep owner; say $R delete --force $C; say $R kill $C; say $R kill --all $C`},
		{name: "kill before the start", guest: "echo never", script: `
			say $R create --bundle $B $C >out; say $R kill $C KILL; await stopped; say $R start $C; say $R delete $C; cat out`},
		{name: "delete before the start", guest: "echo never", script: `
			say $R create --bundle $B $C >out; say $R delete $C; say $R state $C; cat out`},
		{name: "delete one that runs", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; say $R delete $C; status; say $R delete --force $C; say $R state $C
			say $R delete $C; say $R delete --force $C`},
		{name: "names", guest: "true", script: `
			say $R create --bundle $B 'a/b'; say $R create --bundle $B '..'; say $R create --bundle $B ''; say $R create --bundle $B >/dev/null
			$R create --bundle $B $C >/dev/null 2>&1; say $R create --bundle $B $C; say $R delete $C; say $R create --bundle /nowhere $C; say $R state $C`},
		{name: "exec", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1
			say $R exec $C sh -c 'echo in; exit 9'; echo text | say $R exec $C cat; say $R exec --env X=1 --cwd /tmp --user 5:6 $C sh -c 'echo $X; pwd; id -u; id -g'
			say $R exec $C nosuch; say $R exec $C /etc/passwd; say $R exec $C sh -c 'kill -9 $$'; say $R exec $C hostname
			say $R exec $C sh -c 'cat /proc/1/comm; tty'; say $R exec $C; say $R exec nosuch true
			say $R exec --cap CAP_CHOWN $C sh -c 'grep CapEff /proc/self/status'; say $R exec -g 77 $C id -G
			say $R delete --force $C`},
		{name: "exec from a file", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1
			echo '{"args":["sh","-c","echo $Z; pwd; exit 2"],"env":["Z=z","PATH=/bin"],"cwd":"/tmp","user":{"uid":0,"gid":0}}' >p.json
			say $R exec --process p.json $C
			$R exec --process p.json --detach --pid-file pid $C >out; echo "= $?"; sleep 0.3; cat out; kill -0 $(cat pid) 2>/dev/null || echo gone
			echo '{"args":["grep","Cap","/proc/self/status"],"cwd":"/","capabilities":{"bounding":["CAP_NOSUCH","CAP_KILL"]}}' >p.json; say $R exec --process p.json $C; say $R exec --cap CAP_NOSUCH $C true
			echo '{"args":[' >p.json; say $R exec --process p.json $C; say $R exec --process /nowhere $C; say $R delete --force $C`},
		{name: "exec detached, killed", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1
			$R exec -d --pid-file pid $C sleep 1000 >/dev/null 2>&1; kill -0 $(cat pid) && echo alive; $R exec $C pidof sleep >/dev/null && echo there
			kill -KILL $(cat pid); sleep 0.5; kill -0 $(cat pid) 2>/dev/null || echo gone
			$R exec $C sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo; done' 2>/dev/null | grep -c 'sleep 1000'; say $R delete --force $C`},
		{name: "exec into one that is created", guest: forever, script: `
			say $R create --bundle $B $C >out; say $R exec $C echo early; say $R start $C; say $R exec $C echo late; say $R delete --force $C; say $R exec $C true`},
		{name: "pause", guest: "sleep 1000 & wait", script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; say $R pause $C; status; say $R pause $C; say $R exec $C true; say $R resume $C; status
			say $R resume $C; say $R exec $C echo on; say $R pause $C; $R ps $C | wc -l; $R ps --format json $C | tr -d 0-9; say $R delete --force $C; say $R pause $C`},
		{name: "pause amid execs", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1
			for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
				($R exec --ignore-paused $C sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; exit 7' 2>/dev/null; echo $? >>codes) & sleep 0.03; done &
			for i in 1 2 3 4 5; do say $R pause $C; sleep 0.03; say $R resume $C; sleep 0.05; done
			wait; sort codes | uniq -c; status; say $R delete --force $C`},
		{name: "pause and kill", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; say $R pause $C; say $R kill $C KILL; sleep 0.2; $R resume $C 2>/dev/null; await stopped; say $R delete $C`},
		{name: "processes", guest: "sleep 1000 & sleep 1001 & wait", script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; sleep 0.3; say $R ps $C | awk '/sleep/{print $(NF-1), $NF}' | sort; $R ps $C -ef | awk '/sleep/{print $(NF-1), $NF}' | sort; say $R exec --cgroup /nosuch $C true; say $R exec --cgroup / $C echo in; $R ps --format json $C | grep -c '^\[[0-9,]*\]$'
			say $R kill --all $C KILL; await stopped; say $R delete $C; say $R ps $C`},
		{name: "list", guest: forever, script: `
			say $R list -q | grep -c $C; $R run -d --bundle $B $C >/dev/null 2>&1; $R list -q | grep -c $C; $R list | awk -v c=$C '$1==c{print $3, $6}'
			$R list --format json | grep -c '"status":"running"'; say $R list --format xml; say $R delete --force $C; $R list -q | grep -c $C`},
		{name: "limits", guest: forever, change: func(s *specs.Spec) {
			memory, pids := int64(200<<20), int64(50)
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}, Pids: &specs.LinuxPids{Limit: &pids}}
		}, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; $R events --stats $C | grep -oE '"limit":209715200|"pids":.*"limit":50}' | head -2 | sed 's/current":[0-9]*,/current":some,/'
			say $R update --memory 300m --pids-limit 20 $C; $R events --stats $C | grep -oE '"limit":314572800|"limit":20}' | head -2
			$R exec $C sh -c 'i=0; while [ $i -lt 30 ]; do i=$((i+1)); sleep 2 & done; wait' >crowd 2>&1; grep -o "can't fork" crowd
			$R update --memory 0.5g $C; $R events --stats $C | grep -o '"limit":536870912' | head -1; say $R update --mem-bw-schema x $C; say $R update -r /nowhere $C
			say $R update --memory x $C; echo '{"pids":{"limit":100}}' | say $R update -r - $C; say $R delete --force $C; say $R update --pids-limit 3 $C; say $R events --stats $C`},
		{name: "hungry beside full files", guest: "dd if=/dev/zero of=/mem/f bs=1M count=55 2>/dev/null; for i in 1 2 3; do tail /dev/zero >/dev/null 2>&1 || echo refused; done; sh -c 'sleep 0; echo alive'; rm /mem/f; exit 5", change: func(s *specs.Spec) {
			memory := int64(64 << 20)
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mem", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=56m"}})
		}, script: `
			say $R run --bundle $B $C; say $R state $C`},
		{name: "who sleeps with most memory", guest: `hold() { awk "BEGIN { s = sprintf(\"%$1s\", \"x\"); print \"$2\", length(s); fflush(); system(\"touch /tmp/$2; $3\") }"; echo "$2: $?"; }
			hold 40000000 a 'sleep 1000' & until [ -e /tmp/a ]; do sleep 0.05; done; hold 22000000 b true; kill -9 $(pidof sleep); wait; exit 3`, change: func(s *specs.Spec) {
			memory := int64(64 << 20)
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}
		}, script: `say $R run --bundle $B $C`},
		{name: "who is hungry with little", guest: `tail /dev/zero; echo $?; awk 'BEGIN { s = sprintf("%200000000s", "x") }'; echo $?; dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo $?; exit 4`, change: func(s *specs.Spec) {
			memory := int64(40 << 20)
			s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}
		}, script: `say $R run --bundle $B $C; $R run -d --bundle $B $C >/dev/null 2>&1; (timeout 20 $R events $C; echo "= $?") >e 2>&1 & await stopped; $R delete $C; wait; grep = e; grep -o '"type":"oom"' e | head -1`},
		{name: "hooks", guest: "cat /tmp/log", change: func(s *specs.Spec) {
			log := func(name string) []specs.Hook {
				return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", `echo ` + name + ` $(sed 's/.*"status":"\([a-z]*\)".*/\1/') >>"$HOOKLOG"`}, Env: []string{"HOOKLOG=" + s.Annotations["log"], "PATH=/bin:/usr/bin"}}}
			}
			//lint:ignore SA1019 prestart is deprecated, and what dockerd uses
			s.Hooks = &specs.Hooks{Prestart: log("prestart"), CreateRuntime: log("createRuntime"), CreateContainer: log("createContainer"),
				StartContainer: []specs.Hook{{Path: "/bin/busybox", Args: []string{"sh", "-c", `/bin/sed 's/.*\("status":"[a-z]*"\).*\("pid":[0-9]*\).*/\1 \2/' >/tmp/log; /bin/echo $0 $X $HOME >>/tmp/log`, "zero"}, Env: []string{"X=y"}}},
				Poststop:       log("poststop")}
			// What the container has: its root with what is bind mounted there, its network.
			host, _ := os.Readlink("/proc/self/ns/net")
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/root", Type: "bind", Source: filepath.Dir(s.Annotations["log"]), Options: []string{"bind"}})
			s.Hooks.CreateContainer = append(s.Hooks.CreateContainer, specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", `(hostname; cat root/seen; pwd | sed 's,.*/,,'; [ $(readlink /proc/self/ns/net) = ` + host + ` ] && echo on the host || echo own network
				for n in mnt uts ipc; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/$PPID/ns/$n) ] || echo own $n; done; mount -t tmpfs mine root 2>&1; ls root) >>"$HOOKLOG"`},
				Env: []string{"HOOKLOG=" + s.Annotations["log"], "PATH=/bin:/usr/bin"}})
		}, script: `echo found >seen
			
			say $R create --bundle $B $C >out; cat hooklog; say $R start $C; await stopped; cat out; say $R delete $C; cat hooklog; ls`},
		{name: "where its files are mounted", guest: `grep -o ' /[dmpt].* - ' /proc/self/mountinfo | grep -v mqueue; stat -c '%n %a' /m/* /tmp; cat /m/hidden/* /m/file; touch /m/ro/x /m/ro/below/x; ls /m/ro`, change: func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/m", Type: "tmpfs", Options: []string{"mode=755", "size=1m"}},
				specs.Mount{Destination: "/m/new", Type: "tmpfs", Options: []string{"ro"}}, specs.Mount{Destination: "/m/own", Type: "tmpfs", Options: []string{"mode=710", "nosymfollow"}},
				specs.Mount{Destination: "/m/own", Type: "tmpfs"}, specs.Mount{Destination: "/m/ro", Type: "tmpfs", Options: []string{"nosuid", "nodev", "noatime"}},
				specs.Mount{Destination: "/m/ro/below", Type: "tmpfs"}, specs.Mount{Destination: "/m/hidden", Type: "bind", Source: "/etc/init.d", Options: []string{"bind"}},
				specs.Mount{Destination: "/m/file", Type: "bind", Source: "/etc/passwd", Options: []string{"bind"}})
			s.Linux.ReadonlyPaths, s.Linux.MaskedPaths = []string{"/proc/sys", "/m/ro"}, []string{"/m/hidden", "/m/file", "/nosuch"}
		}, script: `$R run --bundle $B $C 2>&1; echo "= $?"`},
		{name: "parameters of its kernel", guest: "cat /proc/sys/kernel/shmmax /proc/sys/kernel/shmmni /proc/sys/kernel/sem /proc/sys/fs/mqueue/msg_max /proc/sys/net/core/somaxconn; ls -ln /dev/n* | cut -c1-44; cat /proc/self/limits | grep -v pending", change: func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"kernel.shmmax": "12345678", "kernel.shmmni": "99", "kernel.sem": "1 2 3 4", "fs.mqueue.msg_max": "20", "net.core.somaxconn": "77"}
			mode, id := os.FileMode(0o620), uint32(5)
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/n1", Type: "c", Major: 1, Minor: 3, FileMode: &mode, UID: &id, GID: &id}, {Path: "/dev/n2", Type: "p"}}
			for i, kind := range []string{"CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "RSS", "RTTIME", "STACK"} {
				n := uint64(100+i) << 20
				if kind[0] == 'M' { // nobody but root of the host raises its hard limit
					n >>= 8
				}
				s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_" + kind, Soft: n, Hard: n})
			}
		}, script: `say $R run --bundle $B $C; sed 's/"kernel.shmmni"/"net.nosuch"/' $B/config.json >c; cp c $B/config.json; say $R run --bundle $B $C`},
		{name: "what its filter does", guest: `for d in '-u' '-g' '' ; do id $d; echo "= $?"; done; hostname; arch; echo "= $?"; grep -e '^Seccomp:' /proc/self/status`, change: func(s *specs.Spec) {
			errno := uint(42)
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_ALLOW", Architectures: []specs.Arch{"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"uname", "nosuch"}, Action: "SCMP_ACT_ERRNO", ErrnoRet: &errno}, {Names: []string{"getegid"}, Action: "SCMP_ACT_KILL_PROCESS"},
				{Names: []string{"getgroups"}, Action: "SCMP_ACT_TRAP"}, {Names: []string{"geteuid"}, Action: "SCMP_ACT_LOG"}}}
		}, script: `say $R run --bundle $B $C`},
		{name: "a hook that fails", guest: "exit 0", change: func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}}
		}, script: `say $R create --bundle $B $C; say $R state $C; say $R run --bundle $B $C | tail -1 | grep -c '= 0'`},
		{name: "terminal", guest: "tty; test -t 1 && echo is one; sleep 0.5; stty size; exit 6", change: func(s *specs.Spec) { s.Process.Terminal = true },
			script: `say $R create --bundle $B $C; script -qec "stty cols 77 rows 33; $R run --bundle $B $C" out >/dev/null </dev/null; echo "= $?"; grep -v '^Script' out | tr -d '\r' | sed 's,\^@,,g'`},
		{name: "terminal of an exec", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1
			script -qec "$R exec -t $C sh -c 'tty; test -t 0 && echo is one; exit 8'" out >/dev/null </dev/null; echo "= $?"; grep -v '^Script' out | tr -d '\r' | sed 's/\^@//g'
			say $R exec -t -d $C true; say $R delete --force $C`},
		{name: "a big output", guest: "dd if=/dev/zero bs=1M count=200 2>/dev/null", script: `$R run --bundle $B $C | md5sum; $R run --bundle $B $C | head -c 10 | wc -c`},
		{name: "input to its end", guest: "cat; echo end", script: `echo some | say $R run --bundle $B $C; say $R run --bundle $B $C </dev/null; seq 100000 | $R run --bundle $B $C | md5sum`},
		{name: "what it leaves running", guest: "sleep 1000 & exit 0", script: `
			say $R run -d --bundle $B --pid-file pid $C >/dev/null; await stopped; kill -0 $(cat pid) 2>/dev/null || echo gone; say $R delete $C`},
		{name: "what they say", guest: forever, script: `
			for v in start state kill delete pause resume ps events update; do why $R $v nosuch; done; why $R exec nosuch true
			$R create --bundle $B $C >out 2>&1; why $R create --bundle $B $C; why $R resume $C; $R start $C; why $R start $C; why $R delete $C
			why $R exec $C nosuch; why $R exec $C /no/such; why $R exec $C /etc; why $R exec --cwd /nodir $C true | grep -o 'no such file.*'
			$R pause $C; why $R exec $C true; why $R start $C; why $R delete $C; $R resume $C; $R kill $C KILL; await stopped
			why $R kill $C TERM; why $R exec $C true; why $R resume $C; why $R events --stats $C; why $R update --memory 100m $C; why $R start $C
			say $R ps $C | wc -l; $R ps -f json $C; $R delete $C`},
		{name: "what it could not run", guest: "true", change: func(s *specs.Spec) { s.Process.Args = []string{"/etc"} }, script: `
			why $R create --bundle $B $C; say $R run --bundle $B $C; why $R run --bundle $B $C; say $R run --bundle /nowhere $C; say $R run --nosuch $C >/dev/null`},
		{name: "what cannot be executed", change: func(s *specs.Spec) {
			s.Process.Args, s.Process.Env = []string{"PROGRAM"}, []string{"PATH=/none:/root"}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/root", Type: "bind", Source: filepath.Join(filepath.Dir(s.Annotations["log"]), "x"), Options: []string{"bind"}})
		}, script: `
			mkdir x; cd x; printf '#!/no/such\n' >script; echo junk >junk; : >empty; cp /bin/ls dynamic; chmod 755 *; echo no >plain; ln -s gone dangling; ln -s loop loop; mkdir dir; cd ..; cp $B/config.json c
			for p in script /root/script /root/junk /root/empty dynamic; do sed "s#PROGRAM#$p#" c >$B/config.json; echo $p:; say $R create --bundle $B $C >out 2>err; say $R start $C; await stopped; cat out err; say $R delete $C
				$R run --bundle $B $C 2>&1; echo "= $?"; done
			for p in plain /root/plain dangling loop /root/loop dir /root/dir /root/plain/x /root/nosuch ./nosuch; do sed "s#PROGRAM#$p#" c >$B/config.json; say $R create --bundle $B $C; why $R create --bundle $B $C; $R list -q; done
			sed 's#PROGRAM#junk#; s#PATH=[^"]*#X=y#' c >$B/config.json; why $R create --bundle $B $C`},
		{name: "what cannot be executed beside it", guest: forever, change: func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/root", Type: "bind", Source: filepath.Dir(s.Annotations["log"]), Options: []string{"bind"}})
		}, script: `
			printf '#!/no/such\n' >script; echo junk >junk; chmod 755 script junk; echo no >plain; $R run -d --bundle $B $C >/dev/null 2>&1
			for p in /root/script /root/junk; do $R exec $C $p 2>&1; echo "= $?"; say $R exec -d $C $p; done
			for p in plain /root/plain /root/nosuch nosuch /root /root/plain/x; do say $R exec $C $p; why $R exec $C $p; say $R exec -d $C $p; done; say $R delete --force $C`},
		{name: "commands that are none, and the log", guest: "true", script: `
			try() { rm -f log; $R --log log "$@" >/dev/null 2>err; echo "= $? $(stat -c %a log)"; tail -1 err | sed 's/^hull: //'; sed 's/.*level/level/; s/.n"$/"/' log; }
			try nosuch; try nosuch $C; try help nosuch; try help >/dev/null; try list; try create --bundle $B $C; try delete $C
			$R --log log --log-format json nosuch 2>/dev/null; echo "= $?"; tail -1 log | sed 's/,"time".*//; s/.n"$/"/'; say $R --log /no/log list`},
		{name: "what is not there", guest: "true", script: `say $R start $C; say $R exec $C true; say $R kill $C; say $R pause $C; say $R ps $C; say $R events $C; say $R update $C; say $R checkpoint $C`},
	}
}

// tell runs a story with one runtime.
func tell(t *testing.T, s story, runtime, name string) string {
	t.Helper()
	dir := t.TempDir()
	sp := spec(t, s.guest)
	sp.Annotations = map[string]string{"log": filepath.Join(dir, "hooklog")}
	if s.change != nil {
		s.change(sp)
	}
	id := "hull-story-" + name
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	state := filepath.Join(dir, "state")
	c := exec.CommandContext(ctx, "sh", "-c", prelude+s.script)
	c.Dir = dir
	r := runtime + " --root " + state
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "R=" + r, "C=" + id, "B=" + bundle(t, sp), "LC_ALL=C"}
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok || ctx.Err() != nil {
			t.Errorf("%s: %v", runtime, err)
		}
	}
	if out, err := exec.Command("sh", "-c", bounded+r+" delete --force "+id).CombinedOutput(); err != nil {
		t.Errorf("%s: delete --force at the end: %v\n%s", runtime, err, out)
	}
	if left, _ := os.ReadDir(state); len(left) != 0 {
		t.Errorf("%s left %s", runtime, left[0].Name())
	}
	return strings.ReplaceAll(string(out), dir, "DIR")
}

func TestStories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run these")
	}
	hull := sandbox.Binary(t)
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range append(stories(), descriptorStories()...) {
		t.Run(s.name, func(t *testing.T) {
			id := string(rune('a'+i/26)) + string(rune('a'+i%26))
			// On a busy machine a story's own sleeps can be too short, for either.
			const attempts = 3
			for n := 1; ; n++ {
				want := strings.ReplaceAll(tell(t, s, runc, id+"-runc"), id+"-runc", "ID")
				got := strings.ReplaceAll(tell(t, s, hull, id+"-hull"), id+"-hull", "ID")
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
