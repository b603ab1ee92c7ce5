package oci

import (
	"os/exec"
	"strings"
	"testing"
)

// dockerPrelude is what the scripts have: $RUN, which is `docker run` with a
// runtime but without an image; $I is the image, $N a name for a container that is
// gone afterwards.
const dockerPrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
state() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' $N; }
until_is() { i=0; until [ "$(docker inspect -f "$1" $N)" = "$2" ]; do i=$((i+1)); [ $i -lt 100 ] || { echo "never $2"; return; }; sleep 0.1; done; echo "$2"; }
back() { $RUN -d --name $N "$@" >/dev/null; until_is '{{.State.Running}}' true; }
tty() { script -qec "$1" /dev/null </dev/null | tr -d '\r' | sed 's/\^@//g'; }
`

func dockerCases() []scriptCase {
	const loop = `sh -c 'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.05; done'`
	return []scriptCase{
		{"run", `say $RUN --rm $I echo hello; say $RUN --rm $I sh -c 'exit 3'; say $RUN --rm $I sh -c 'kill -9 $$'; say $RUN --rm $I sh -c 'kill -TERM $$; sleep 1'`},
		{"what cannot be run", `say $RUN --rm $I nosuch; say $RUN --rm $I /etc/passwd; say $RUN --rm $I /nowhere; $RUN --rm $I nosuch 2>&1 | grep -o 'executable file not found in $PATH'
			printf '#!/no/such\n' >s; echo junk >j; chmod 755 s j; echo no >p; V="-v $PWD/s:/s -v $PWD/j:/j -v $PWD/p:/bin/p"; for c in /s /j p /bin/p /s/x; do $RUN --rm $V $I $c >out 2>&1; echo "$c = $?"; grep -v -e '^docker' -e '^$' out; done`},
		{"streams", `echo text | say $RUN --rm -i $I cat; seq 100000 | $RUN --rm -i $I md5sum; $RUN --rm $I sh -c 'echo o; echo e >&2' 2>/dev/null; $RUN --rm $I sh -c 'echo e >&2' 2>&1 >/dev/null
			$RUN --rm --log-driver none $I dd if=/dev/zero bs=1M count=100 2>/dev/null | md5sum; $RUN --rm $I dd if=/dev/zero bs=1M count=2 2>/dev/null | md5sum`},
		{"environment", `say $RUN --rm -e A=1 -w /a/b -h named $I sh -c 'echo $A $HOME; pwd; hostname; cat /etc/hostname'; say $RUN --rm --entrypoint id $I -u`},
		{"user", `say $RUN --rm -u 5:6 --group-add 7 $I id; say $RUN --rm -u 5 $I sh -c 'touch /x; echo $HOME'; say $RUN --rm -u nobody $I id`},
		{"capabilities", `say $RUN --rm $I grep Cap /proc/self/status; say $RUN --rm --cap-drop ALL --cap-add CHOWN $I grep Cap /proc/self/status
			say $RUN --rm --security-opt no-new-privileges $I grep NoNewPrivs /proc/self/status`},
		{"seccomp", `echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' >profile
			$RUN --rm --security-opt seccomp=profile $I mkdir /x 2>&1; say $RUN --rm $I grep Seccomp: /proc/self/status; say $RUN --rm --security-opt seccomp=unconfined $I grep Seccomp: /proc/self/status
			echo '{"defaultAction":"SCMP_ACT_NICE"}' >profile; say $RUN --rm --security-opt seccomp=profile $I true`},
		{"ulimits", `say $RUN --rm --ulimit nofile=77:88 --ulimit core=0 $I sh -c 'ulimit -n; ulimit -Hn; ulimit -c'`},
		{"sysctl", `say $RUN --rm --sysctl net.ipv4.ip_unprivileged_port_start=1 $I true; say $RUN --rm --sysctl no.such=1 $I true`},
		{"devices", `say $RUN --rm --device /dev/null:/dev/other $I sh -c 'ls -l /dev/other | cut -c1-10; echo a >/dev/other'; say $RUN --rm $I ls /dev`},
		{"init", `say $RUN --rm --init $I sh -c 'tr "\0" " " </proc/1/cmdline'`},
		{"read-only", `say $RUN --rm --read-only --tmpfs /t $I sh -c 'echo x >/x; echo y >/t/y && cat /t/y'; say $RUN --rm --tmpfs /t:size=64k $I sh -c 'dd if=/dev/zero of=/t/f bs=1k count=100; stat -c %s /t/f'`},
		{"volumes", `mkdir vol; say $RUN --rm -v $PWD/vol:/v $I sh -c 'echo hi >/v/f; chmod 640 /v/f; chown 3:4 /v/f'; stat -c '%a %u %g' vol/f; cat vol/f
			say $RUN --rm -v $PWD/vol:/v:ro $I sh -c 'cat /v/f; echo no >/v/f'; say $RUN --rm -v $PWD/vol/f:/etc/one $I cat /etc/one
			say $RUN --rm -v $N:/v $I sh -c 'echo q >/v/f'; say $RUN --rm -v $N:/v $I cat /v/f; docker volume rm $N >/dev/null; say $RUN --rm --mount type=bind,src=$PWD/none,dst=/v $I true`},
		{"limits", `say $RUN --rm -m 64m --cpus 0.5 --pids-limit 100 $I true; say $RUN --rm --pids-limit 10 $I sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait' | sort | uniq; say $RUN --rm -m 1k $I true`},
		{"logs", `$RUN -d --name $N $I sh -c 'for i in 1 2 3; do echo l$i; done; echo err >&2' >/dev/null; docker wait $N; docker logs $N 2>&1 | sort; docker logs $N 2>/dev/null | tail -1`},
		{"stop and start", `back $I ` + loop + `; docker stop -t 10 $N >/dev/null; state; docker start $N >/dev/null; until_is '{{.State.Running}}' true; docker kill $N >/dev/null; docker wait $N; state; docker logs $N`},
		{"signals", `back $I sh -c 'trap "echo usr" USR1; trap "exit 6" HUP; while :; do sleep 0.05; done'; docker kill -s USR1 $N >/dev/null; sleep 0.5; docker kill -s HUP $N >/dev/null; docker wait $N; docker logs $N; say docker kill $N`},
		{"restart", `back $I sh -c 'echo up; sleep 100'; docker restart -t 0 $N >/dev/null; until_is '{{.State.Running}}' true; sleep 0.3; docker logs $N`},
		{"restart policy", `$RUN -d --name $N --restart on-failure:2 $I sh -c 'echo run; exit 1' >/dev/null; until_is '{{.RestartCount}} {{.State.Status}}' '2 exited'; docker logs $N; state`},
		{"pause", `back $I sleep 100; docker pause $N >/dev/null; state; say docker exec $N true; docker unpause $N >/dev/null; docker exec $N echo on; docker pause $N >/dev/null; docker top $N -eo comm,pid,args | awk '{print $1, $3, $4}'; docker kill $N >/dev/null; docker unpause $N >/dev/null 2>&1; docker wait $N`},
		{"exec", `back $I sleep 100; say docker exec $N sh -c 'echo in; exit 4'; say docker exec -u 9:9 -w /tmp -e Z=z $N sh -c 'id -u; pwd; echo $Z'; say docker exec $N nosuch; echo i | say docker exec -i $N cat
			docker exec -d $N sleep 77; sleep 0.5; docker exec $N ps | grep -c 'sleep 77'; seq 50000 | docker exec -i $N md5sum`},
		{"many execs", `back $I sleep 100; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do docker exec $N sh -c "echo \$(($i*$i))" & done | sort -n; docker exec $N ps | grep -c 'sleep 100'`},
		{"terminals", `tty "$RUN --rm -it $I sh -c 'tty; test -t 2 && echo is one; exit 3'"; back -t $I sh -c 'sleep 0.2; echo one; sleep 100'; sleep 0.5; docker logs $N | od -c | head -2; tty "docker exec -it $N sh -c 'tty; exit 3'"`},
		{"terminal size", `tty "stty rows 30 cols 99; $RUN --rm -it $I sh -c 'sleep 0.7; stty size'"`},
		{"health", `back --health-cmd 'test -e /tmp/ok' --health-interval 0.3s --health-retries 1 $I sleep 100; until_is '{{.State.Health.Status}}' unhealthy; docker exec $N touch /tmp/ok; until_is '{{.State.Health.Status}}' healthy`},
		{"copy", `back $I sleep 100; echo data >in; docker cp in $N:/tmp/in 2>/dev/null; docker exec $N cat /tmp/in; docker exec $N sh -c 'echo out >/tmp/o; mkdir /tmp/d; touch /tmp/d/x'; docker cp $N:/tmp/o - | tar xO; docker cp $N:/tmp/d - | tar t | sort`},
		{"changes", `$RUN --name $N $I sh -c 'echo n >/new; rm /etc/passwd; mkdir /dir; ln -s a /link; chmod 700 /root'; docker diff $N | sort; docker commit $N $N >/dev/null; $RUN --rm $N sh -c 'cat /new; ls /etc; readlink /link'; docker rmi -f $N >/dev/null`},
		{"files without a name", `say $RUN --rm $I sh -c 'exec 3<>/tmp/f; rm /tmp/f; echo abc >&3; truncate -s 2 /proc/self/fd/3; chmod 600 /proc/self/fd/3; touch -d @1000000000 /proc/self/fd/3; stat -L -c "%s %a %h %Y" /proc/self/fd/3; mkfifo -m 600 /tmp/p; chmod 640 /tmp/p; stat -c %a /tmp/p'`},
		{"stats and top", `back -m 100m $I sleep 100; docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' $N | grep -c '/ 100MiB'; docker exec -d $N sh -c 'sleep 77; :'; sleep 0.5; docker top $N | awk '{print $8, $9, $10, $11}' | sort; docker top $N -eo comm,pid,args | awk '{print $1, $3, $4}' | sort; docker update -m 200m --memory-swap 200m $N >/dev/null; docker stats --no-stream --format '{{.MemUsage}}' $N | grep -c '/ 200MiB'`},
		{"inspect", `back $I sleep 100; docker inspect -f '{{.State.Running}} {{.State.Paused}} {{.State.Restarting}} {{.HostConfig.NetworkMode}}' $N; kill -0 $(docker inspect -f '{{.State.Pid}}' $N) && echo alive; docker rm -f $N >/dev/null; say docker inspect $N`},
		{"create and start", `docker create --runtime $RT --network none --name $N -i $I sh -c 'read x; echo got $x; exit 2' >/dev/null; state; echo word | docker start -ai $N; echo "= $?"; state`},
		{"shared memory", `say $RUN --rm --shm-size 8m $I sh -c 'df /dev/shm | tail -1 | awk "{print \$2}"'; say $RUN --rm $I sh -c 'ls -ld /dev/shm /dev/mqueue | cut -c1-10'`},
		{"masked", `say $RUN --rm $I sh -c 'ls /sys/firmware | wc -l; cat /proc/kcore | wc -c; echo 1 >/proc/sys/kernel/domainname; touch /sys/x'`},
	}
}

// docker runs the cases of the docker command.
func (d *daemons) docker(t *testing.T) {
	d.teller("RUN=docker run --network none --runtime $RT").compare(t, append(dockerCases(), flagCases()...))
}

// teller runs scripts over docker with more variables; $RT is the runtime.
func (d *daemons) teller(env ...string) *teller {
	return &teller{
		prelude: dockerPrelude,
		env: func(runtime, name string) []string {
			all := append(d.env[:len(d.env):len(d.env)], "I="+image, "N="+name, "RT="+runtime)
			for _, v := range env {
				all = append(all, strings.ReplaceAll(v, "$RT", runtime))
			}
			return all
		},
		clean: func(_, name string) {
			rm := exec.Command("docker", "rm", "-f", name)
			rm.Env = d.env
			_ = rm.Run() // most cases have removed it
		},
	}
}
