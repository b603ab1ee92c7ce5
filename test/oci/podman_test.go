package oci

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"hull/test/internal/sandbox"
)

// podmanPrelude is what the scripts have: $P, which is podman with a store of the
// tests' own and the runtime, $RUN, which is `podman run` without a network; $I is
// the image, $N a name for a container that is gone afterwards.
const podmanPrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
state() { $P inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' $N; }
until_is() { i=0; until [ "$($P inspect -f "$1" $N)" = "$2" ]; do i=$((i+1)); [ $i -lt 100 ] || { echo "never $2"; return; }; sleep 0.1; done; echo "$2"; }
back() { $RUN -d --name $N "$@" >/dev/null; until_is '{{.State.Running}}' true; }
tty() { script -qec "$1" /dev/null </dev/null | tr -d '\r' | sed 's/\^@//g'; }
`

// podmanCases are those that root and an ordinary user tell alike.
func podmanCases() []scriptCase {
	const loop = `sh -c 'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.05; done'`
	return []scriptCase{
		{"run", `say $RUN --rm $I echo hello; say $RUN --rm $I sh -c 'exit 3'; say $RUN --rm $I sh -c 'kill -9 $$'`},
		{"what cannot be run", `say $RUN --rm --name $N $I nosuch; $P ps -aq --filter name=$N; say $RUN --rm --name $N $I /etc/passwd; $P ps -aq --filter name=$N
			printf '#!/no/such\n' >s; chmod 755 s; say $RUN --rm -v $PWD/s:/s $I /s; say $RUN --name $N $I nosuch; $P ps -aq --filter name=$N | wc -l; $P rm -f -t 0 $N >/dev/null`},
		{"streams", `echo text | say $RUN --rm -i $I cat; seq 100000 | $RUN --rm -i $I md5sum; $RUN --rm $I sh -c 'echo o; echo e >&2' 2>/dev/null; $RUN --rm $I sh -c 'echo e >&2' 2>&1 >/dev/null
			$RUN --rm $I dd if=/dev/zero bs=1M count=50 2>/dev/null | md5sum`},
		{"environment", `say $RUN --rm -e A=1 -w /tmp -h named $I sh -c 'echo $A $HOME; pwd; hostname; cat /etc/hostname'; say $RUN --rm --entrypoint id $I -u`},
		{"users and capabilities", `say $RUN --rm -u 5:6 $I id; say $RUN --rm -u nobody $I id; say $RUN --rm $I grep -e Cap -e Seccomp: -e NoNew /proc/self/status; say $RUN --rm --cap-drop all --cap-add chown $I grep CapEff /proc/self/status
			say $RUN --rm --security-opt no-new-privileges $I grep NoNew /proc/self/status; say $RUN --rm --privileged $I grep CapEff /proc/self/status`},
		{"init", `say $RUN --rm --init --init-path /usr/bin/tini-static $I sh -c 'tr "\0" " " </proc/1/cmdline | cut -d" " -f1'`},
		{"volumes", `mkdir vol; say $RUN --rm -v $PWD/vol:/v $I sh -c 'echo hi >/v/f; chmod 640 /v/f'; stat -c '%a' vol/f; cat vol/f; say $RUN --rm -v $PWD/vol:/v:ro $I sh -c 'cat /v/f; echo no >/v/f'
			say $RUN --rm -v $N:/v $I sh -c 'echo q >/v/f'; say $RUN --rm -v $N:/v $I cat /v/f; $P volume rm $N >/dev/null; say $RUN --rm --tmpfs /t $I sh -c 'echo y >/t/y; cat /t/y'; say $RUN --rm --read-only $I touch /x`},
		{"logs", `$RUN -d --name $N $I sh -c 'for i in 1 2 3; do echo l$i; done; echo err >&2' >/dev/null; $P wait $N; $P logs $N 2>&1 | sort`},
		{"stop and start", `back $I ` + loop + `; $P stop -t 10 $N >/dev/null; state; $P start $N >/dev/null; until_is '{{.State.Running}}' true; $P kill $N >/dev/null; $P wait $N; state; $P logs $N`},
		{"signals", `back $I sh -c 'trap "echo usr" USR1; trap "exit 6" HUP; while :; do sleep 0.05; done'; sleep 0.5; $P kill -s USR1 $N >/dev/null; sleep 0.5; $P kill -s HUP $N >/dev/null; $P wait $N; $P logs $N; say $P kill $N`},
		{"exec", `back $I sleep 100; say $P exec $N sh -c 'echo in; exit 4'; say $P exec -u 9:9 -w /tmp -e Z=z $N sh -c 'id -u; pwd; echo $Z'; say $P exec $N nosuch; echo i | say $P exec -i $N cat
			$P exec -d $N sleep 77 >/dev/null; sleep 0.5; $P exec $N ps | grep -c 'sleep 77'; seq 50000 | $P exec -i $N md5sum`},
		{"terminals", `tty "$RUN --rm -it $I sh -c 'tty; test -t 2 && echo is one; exit 3'; echo = \$?"; back $I sleep 100; tty "$P exec -it $N sh -c 'tty; exit 3'; echo = \$?"; tty "stty rows 30 cols 99; $RUN --rm -it $I sh -c 'sleep 0.7; stty size'"`},
		{"inspect", `back $I sleep 100; $P inspect -f '{{.State.Running}} {{.State.Paused}} {{.HostConfig.NetworkMode}}' $N; kill -0 $($P inspect -f '{{.State.Pid}}' $N) && echo alive; $P ps --filter name=$N --format '{{.Names}} {{.Command}}'; $P rm -f -t 0 $N >/dev/null; say $P inspect $N`},
		{"copy", `$P create --network none --name $N $I sh -c 'cat /tmp/in; echo out >/tmp/o' >/dev/null; echo data >in; $P cp in $N:/tmp/in; $P start -a $N; $P cp $N:/tmp/o out; cat out`},
		{"copy while it runs", `mkdir v d; echo data | tee in >d/f; back -v $PWD/v:/a/v $I sleep 100; $P cp in $N:/tmp/in; $P exec $N sh -c 'cat /tmp/in; echo back >/tmp/b; ln -s ../../../etc/passwd /tmp/l; echo more >/a/v/m; ls -ln /tmp/in | cut -c1-30'
			for f in /tmp/b /tmp/l /a/v/m; do $P cp $N:$f out; head -1 out; done; $P cp d $N:/tmp/; $P exec $N cat /tmp/d/f; $P cp in $N:/a/v/n; cat v/n; $P cp in $N:/no/x || echo none; $P cp $N:/no - >/dev/null || echo none`},
		{"changes", `$RUN --name $N $I sh -c 'echo n >/new; rm /etc/passwd; mkdir /dir' >/dev/null; $P diff $N | sort; $P commit -q $N $N >/dev/null; $RUN --rm $N sh -c 'cat /new; ls /etc/passwd' 2>/dev/null; $P rmi -f $N >/dev/null`},
		{"health", `back --health-cmd 'test -e /tmp/ok' --health-interval disable --health-retries 1 $I sleep 100; say $P healthcheck run $N; $P exec $N touch /tmp/ok; say $P healthcheck run $N; $P inspect -f '{{.State.Healthcheck.Status}}{{.State.Health.Status}}' $N 2>/dev/null`},
		{"create and start", `$P create --network none --name $N -i $I sh -c 'read x; echo got $x; exit 2' >/dev/null; state; echo word | $P start -ai $N; echo "= $?"; state`},
		{"restart", `back $I sh -c 'echo up; sleep 100'; $P restart -t 0 $N >/dev/null; until_is '{{.State.Running}}' true; sleep 0.5; $P logs $N; $P rm -f -t 0 $N >/dev/null
			$RUN -d --name $N --restart on-failure:2 $I sh -c 'echo run; exit 1' >/dev/null; until_is '{{.RestartCount}} {{.State.Status}}' '2 exited'; $P logs $N`},
		{"stopping", `back --stop-signal USR1 --stop-timeout 20 $I sh -c 'trap "exit 8" USR1; while :; do sleep 0.05; done'; sleep 0.5; $P stop $N >/dev/null; state`},
	}
}

// rootPodmanCases need cgroups, which an ordinary user has not everywhere.
func rootPodmanCases() []scriptCase {
	return []scriptCase{
		{"pause", `back $I sleep 100; $P pause $N >/dev/null; state; say $P exec $N true; $P unpause $N >/dev/null; $P exec $N echo on; $P pause $N >/dev/null; $P kill $N >/dev/null 2>&1; $P unpause $N >/dev/null 2>&1; $P rm -f -t 0 $N >/dev/null`},
		{"stats and top", `back -m 100m $I sleep 100; $P stats --no-stream --format '{{.Name}} {{.MemUsage}}' $N | grep -c '/ 104.9MB'; $P top $N -o pid,args | tail -n +2`},
		{"limits", `say $RUN --rm -m 64m --cpus 0.5 --pids-limit 100 $I true; say $RUN --rm --ulimit nofile=77:88 --ulimit nproc=512:1024 $I sh -c 'ulimit -n; ulimit -Hn'
			say $RUN --rm --pids-limit 10 $I sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait' | sort | uniq`},
		{"devices", `say $RUN --rm --device /dev/null:/dev/other $I sh -c 'ls -l /dev/other | cut -c1-10; echo a >/dev/other'; say $RUN --rm $I ls /dev; say $RUN --rm --sysctl no.such=1 $I true`},
	}
}

// podman is a store of images and containers, and who uses it.
type podman struct {
	dir    string
	binary string // hull
	user   *ordinary
	more   string // flags
}

// podmanConfig lowers the limits that podman sets: runc cannot raise those of the
// host without CAP_SYS_RESOURCE, which it lacks on some machines.
const podmanConfig = `[containers]
default_ulimits = ["nofile=512:1024", "nproc=512:1024"]
[network]
network_backend = "netavark"
`

func (p *podman) command(runtime string) string {
	path := map[string]string{"runc": "/usr/sbin/runc", "hull": p.binary}[runtime]
	return fmt.Sprintf("env CONTAINERS_CONF=%s podman %s--root %s --runroot %s --tmpdir %s --cgroup-manager cgroupfs --runtime %s",
		filepath.Join(p.dir, "containers.conf"), p.more, filepath.Join(p.dir, "root"), filepath.Join(p.dir, "run"), filepath.Join(p.dir, "tmp"), path)
}

func (p *podman) teller() *teller {
	return &teller{
		label:   "podman-",
		user:    p.user,
		prelude: podmanPrelude,
		env: func(runtime, name string) []string {
			c := p.command(runtime)
			return append(os.Environ(), "I="+image, "N="+name, "P="+c, "RUN="+c+" run --network none")
		},
		clean: func(runtime, name string) {
			_ = p.sh(p.command(runtime) + " rm -f -t 0 " + name).Run() // most cases have removed it
		},
	}
}

// sh is a command of who uses the store.
func (p *podman) sh(script string) *exec.Cmd {
	if p.user != nil {
		return p.user.command("sh", "-c", script)
	}
	return exec.Command("sh", "-c", script)
}

// load gives the store the image.
func (p *podman) load(t *testing.T, archive string) {
	t.Helper()
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.dir, "containers.conf"), podmanConfig)
	if out, err := p.sh(p.command("runc") + " load -q -i " + archive).CombinedOutput(); err != nil {
		t.Fatalf("podman load: %v\n%s", err, out)
	}
}

// podman runs the cases of podman, as root.
func (d *daemons) podman(t *testing.T) {
	p := &podman{dir: filepath.Join(d.dir, "p"), binary: sandbox.Binary(t)}
	p.load(t, d.archive())
	p.teller().compare(t, slices.Concat(podmanCases(), rootPodmanCases(), podmanPodCases()))
	p.networks(t)
}
