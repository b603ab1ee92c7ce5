# docker with the cgroup driver that the host asks for.

same 'docker: run' 'say run --rm $I echo hello; say run --rm $I sh -c "exit 3"; say run --rm $I sh -c "kill -9 \$\$"; seq 1000 | run --rm -i $I md5sum'
same 'docker: logs, exec, stop, start, kill' 'back $I sh -c "trap \"echo bye; exit 5\" TERM; echo up; while :; do sleep 0.1; done"
	say docker exec $N sh -c "echo in; exit 4"; docker exec -u 9:9 $N id -u; docker stop -t 60 $N >/dev/null; state
	docker start $N >/dev/null; until_is "{{.State.Running}}" true; docker exec $N true; docker kill $N >/dev/null; docker wait $N; state; docker logs $N'
same 'docker: pause' 'back $I sleep 1000; docker pause $N >/dev/null; docker inspect -f "{{.State.Status}}" $N
	d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) freezer); cat $d/cgroup.freeze $d/freezer.state 2>/dev/null
	say docker exec $N true; docker unpause $N >/dev/null; docker exec $N echo on; docker pause $N >/dev/null; docker kill $N >/dev/null; docker unpause $N >/dev/null 2>&1; docker wait $N'
same 'docker: stats and top' 'back -m 100m $I sleep 1000; docker stats --no-stream --format "{{.Name}} {{.MemUsage}}" $N | grep -c "/ 100MiB"
	docker stats --no-stream --format "{{.MemUsage}} {{.PIDs}} {{.CPUPerc}}" $N | grep -vcE "^0B| 0 "; docker top $N -eo comm | grep -c sleep'
same 'docker: --memory' 'run --name $N -m 64m $I sh -c "head -c 200m /dev/zero | tail -c 150m | wc -c; echo survived" 2>/dev/null; state | awk "{print \$1, \$3}"'
# runc's is not asked: of it docker may be told of the end before it is told of what.
holds 'docker: --memory kills the first process' 'exited 137 true' 'run --name $N -m 48m $I sh -c "exec tail -c 150m /dev/zero"; echo $(state)'
same 'docker: --memory kills one, the others go on' 'back -m 64m $I sh -c "echo up; while :; do sleep 0.2; done"; docker exec $N tail -c 150m /dev/zero >/dev/null 2>&1; echo "= $?"; say docker exec $N echo on; state; docker inspect -f "{{.State.OOMKilled}}" $N; docker stop -t 0 $N >/dev/null; state'
holds 'docker: memory of files' 'survived
exited 0 false' 'run --name $N -m 64m --tmpfs /t:size=500m $I sh -c "head -c 200m /dev/zero >/t/f; echo survived" 2>/dev/null; echo $(state)'
same 'docker: --pids-limit' 'say run --rm --pids-limit 10 $I sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait" | sort -u; say run --rm --pids-limit 10 $I echo few'
same 'docker: tasks are counted as the guest has them' 'back --pids-limit 50 $I sh -c "sleep 1000 & sleep 1001"; $R --root /var/run/docker/runtime-runc/moby events --stats $(id) | jq -c .data.pids'
same 'docker: limits in the cgroup' 'back -m 64m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 100 --blkio-weight 300 $I sleep 1000
	d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) memory); for f in memory.max memory.low memory.swap.max cpu.max cpuset.cpus io.weight io.bfq.weight memory.limit_in_bytes memory.soft_limit_in_bytes; do echo "$f $(cat $d/$f 2>/dev/null)"; done
	for c in cpu pids cpuset; do d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) $c); for f in cpu.cfs_quota_us cpu.cfs_period_us cpu.shares cpuset.cpus; do echo "$c $f $(cat $d/$f 2>/dev/null)"; done; done
	u=docker-$(id).scope; for p in MemoryMax MemoryLow MemorySwapMax CPUQuotaPerSecUSec AllowedCPUs MemoryLimit CPUShares TasksAccounting Delegate Slice; do echo "$p $(property $u $p)"; done'
same 'docker: update' 'back -m 64m $I sleep 1000; say docker update -m 128m --memory-swap 128m --cpus 1.5 --pids-limit 77 $N | tail -1
	d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) memory); cat $d/memory.max $d/memory.limit_in_bytes $d/cpu.max 2>/dev/null; d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) cpu); cat $d/cpu.cfs_quota_us 2>/dev/null
	u=docker-$(id).scope; property $u MemoryMax; property $u MemoryLimit; property $u CPUQuotaPerSecUSec
	docker stats --no-stream --format "{{.MemUsage}}" $N | grep -c "/ 128MiB"; docker exec $N true; systemctl daemon-reload; cat $d/memory.max $d/memory.limit_in_bytes 2>/dev/null; say docker exec $N true'
same 'docker: --cpus' 'back --cpus 0.3 $I sh -c "while :; do :; done"; p=$(docker inspect -f "{{.State.Pid}}" $N); sleep 3; a=$(used $p); s=$(date +%s%N); sleep 12; b=$(used $p); e=$(date +%s%N); share=$(((b - a) * 100 / (e - s))); if [ $share -ge 10 ] && [ $share -le 40 ]; then echo within; else echo "$share percent"; fi
	awk "/nr_throttled/{print \$1, (\$2 > 10)}" $(cgroup $p cpu)/cpu.stat'
same 'docker: the scope goes' 'back $I sleep 1000; u=docker-$(id).scope; systemctl is-active $u; d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) memory); test -d $d && echo there; docker rm -f $N >/dev/null; systemctl is-active $u; i=0; while test -d $d && [ $i -lt 50 ]; do i=$((i+1)); sleep 0.1; done; test -d $d && echo left; systemctl --failed --plain --no-legend | grep scope; echo end'
holds 'docker: every process is in the scope' 'all' 'back $I sh -c "sleep 1000 & sleep 1000"; p=$(docker inspect -f "{{.State.Pid}}" $N); c=$(cat /proc/$p/cgroup); d=$(cgroup $p memory); n=0
	for q in $p $(pgrep -x -f "hull gofer") $(pgrep -P $p); do n=$((n+1)); [ "$(cat /proc/$q/cgroup)" = "$c" ] || echo "$q $(tr "\\0" " " </proc/$q/cmdline): $(cat /proc/$q/cgroup)"; done; [ $n -ge 4 ] && [ $(wc -l <$d/cgroup.procs) = $n ] && echo all'
