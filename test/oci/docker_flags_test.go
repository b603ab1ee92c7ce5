package oci

import "testing"

// flagCases are about docker's flags, and what outlives a client.
func flagCases() []scriptCase {
	const reader = `sh -c 'while read x; do echo got $x; done; echo end'`
	return []scriptCase{
		{"attach, detach", `back -it $I ` + reader + `; attach() { (sleep 0.7; printf "$1\n"; sleep 0.5; printf '\020\021'; sleep 0.5) | script -qec "docker attach $N" /dev/null >/dev/null 2>&1; docker inspect -f '{{.State.Running}}' $N; }
			attach one; attach two; docker logs $N | tr -d '\r' | grep got`},
		{"attach without input", `back -i $I cat; timeout -s KILL 2 docker attach $N </dev/null; echo "= $?"; docker inspect -f '{{.State.Running}}' $N; docker rm -f $N >/dev/null
			back $I sh -c 'trap "exit 5" TERM; while :; do sleep 0.05; done'; sleep 0.3; docker attach --sig-proxy=false $N </dev/null & P=$!; sleep 0.5; docker kill -s TERM $N >/dev/null; wait $P; echo "= $?"`},
		{"input ends", `printf 'a\nb\n' | say $RUN --rm -i $I ` + reader + `; say $RUN --rm -i $I cat </dev/null`},
		{"short runs", `for i in 1 2 3 4 5 6 7 8 9 10; do $RUN --rm $I echo $i; done | tr '\n' ' '`},
		{"resize", `tty "stty rows 30 cols 99; (sleep 1.5; stty rows 41 cols 88 </dev/tty) & $RUN --rm -it $I sh -c 'i=0; until [ \"\$(stty size)\" = \"41 88\" ]; do i=\$((i+1)); [ \$i -lt 80 ] || exit 1; sleep 0.1; done; echo resized'"`},
		{"out of memory", `from=$(date +%s); $RUN -d --name $N -m 40m --memory-swap 40m $I sh -c 'sleep 0.3; tail /dev/zero; sleep 1; exit 3' >/dev/null; docker wait $N; state; docker events --since $from --until $(($(date +%s)+1)) --filter container=$N --filter event=oom --format '{{.Action}}' | uniq
			docker rm $N >/dev/null; back -m 40m --memory-swap 40m $I sleep 100; say docker exec $N tail /dev/zero; say docker exec $N echo on; docker inspect -f '{{.State.OOMKilled}}' $N`},
		{"out of memory, all of it", `$RUN -d --name $N -m 64m --memory-swap 64m $I tail /dev/zero >/dev/null; docker wait $N; state`},
		{"share of a processor", `back --cpus 0.2 $I sh -c 'while :; do :; done'; sleep 1; docker stats --no-stream --format '{{.CPUPerc}}' $N | awk '{print ($1+0 > 0.5 && $1+0 < 40) ? "a fifth" : $1}'`},
		{"processors", `say $RUN --rm --cpuset-cpus 0 $I sh -c 'grep Cpus_allowed_list /proc/self/status; nproc'; say $RUN --rm --cpuset-cpus 99 $I true; say $RUN --rm --cpu-shares 100 --memory-reservation 32m --kernel-memory 50m $I true`},
		{"events", `from=$(date +%s); $RUN --name $N $I sh -c 'exit 3' >/dev/null; docker rm $N >/dev/null; docker events --since $from --until $(($(date +%s)+1)) --filter container=$N --format '{{.Action}} {{.Actor.Attributes.exitCode}}' | sed 's/<no value>//'`},
		{"stop signal", `back --stop-signal USR1 --stop-timeout 30 $I sh -c 'trap "exit 8" USR1; while :; do sleep 0.05; done'; sleep 0.5; docker stop $N >/dev/null; state; docker rm $N >/dev/null; back --stop-timeout 1 $I sh -c 'trap "" TERM; while :; do sleep 0.05; done'; sleep 0.5; docker stop $N >/dev/null; state`},
		{"shared namespaces", `back --ipc shareable --shm-size 1m $I sleep 100; docker exec $N sh -c 'echo here >/dev/shm/f'; say $RUN --rm --ipc container:$N $I sh -c 'ls /dev/shm | wc -l'; say $RUN --rm --pid container:$N $I sh -c 'ps | grep -c "sleep 10[0]"'`},
		{"groups of processes", `back --cgroup-parent /$N $I sleep 100; ls -d /sys/fs/cgroup/memory/$N/$(docker inspect -f '{{.Id}}' $N) | wc -l; grep -c . /sys/fs/cgroup/memory/$N/$(docker inspect -f '{{.Id}}' $N)/cgroup.procs | sed 's/^[1-9].*/some/'; docker rm -f $N >/dev/null; find /sys/fs/cgroup/memory/$N -mindepth 1 -type d | wc -l; rmdir /sys/fs/cgroup/*/$N 2>/dev/null; say $RUN --rm --blkio-weight 300 $I true`},
		{"names", `say $RUN --rm --hostname a.b --domainname dom $I sh -c 'hostname; cat /proc/sys/kernel/domainname; cat /etc/hostname'; printf 'A=1\nB=x y\n' >e; say $RUN --rm --env-file e $I sh -c 'echo $A $B'; back --label l=v $I sleep 100; docker ps --filter label=l=v --filter name=$N --format '{{.Names}} {{.Image}} {{.Command}}'`},
		{"platforms and devices", `say $RUN --rm --platform linux/amd64 $I uname -m; say $RUN --rm --platform linux/arm64 $I true; say $RUN --rm --gpus all $I true; say $RUN --rm --device /dev/nosuch $I true`},
		{"user namespace of the host", `say $RUN --rm --userns host $I cat /proc/self/uid_map; say $RUN --rm --security-opt apparmor=unconfined $I true; say $RUN --rm --cgroupns private $I sh -c 'cat /proc/self/cgroup | wc -l | sed "s/^[1-9].*/some/"'`},
		{"mounts of files", `echo one >f; say $RUN --rm --mount type=bind,src=$PWD/f,dst=/f,readonly $I sh -c 'cat /f; echo two >/f'; say $RUN --rm --mount type=tmpfs,dst=/t,tmpfs-size=65536,tmpfs-mode=1770 $I sh -c 'stat -c "%a" /t; df /t | tail -1 | awk "{print \$2}"'; say $RUN --rm --volumes-from nobody $I true`},
	}
}

// privileged runs a privileged container. The host may lack capabilities that runc
// would have to give it; those of a guest are not the host's.
func (d *daemons) privileged(t *testing.T) {
	e := d.teller("RUN=docker run --network none --runtime $RT")
	c := scriptCase{"privileged", `say $RUN --rm --privileged $I sh -c 'grep -e NoNew -e Seccomp: /proc/self/status; mount -t tmpfs x /tmp && mount | grep -c "x on /tmp"; hostname other && hostname; echo another >/proc/sys/kernel/hostname; hostname; chroot / true && mknod /tmp/n c 1 3 && echo >/tmp/n && echo made'`}
	const want = "NoNewPrivs:\t0\nSeccomp:\t0\n1\nother\nanother\nmade\n= 0\n"
	if got := e.tell(t, c, "hull"); got != want {
		t.Errorf("with hull:\n%s", got)
	}
	if got := e.tell(t, c, "runc"); got != want {
		t.Logf("with runc, which needs all capabilities of the host:\n%s", got)
	}
}
