# containerd, with scopes of systemd, by its own client.

box=docker.io/library/box:latest
ctr images ls -q | grep -q "$box" || docker save box | ctr images import - >/dev/null
ctr_words='T="ctr run --runc-binary $(command -v $R) --runc-systemd-cgroup --cgroup system.slice:ctr:$N"; I='$box'; u=ctr-$N.scope; begun() { await sh -c "ctr task ls | grep -q \"^$N .*RUNNING\""; }'

same 'containerd: run' "$ctr_words"'; say $T --rm $I $N sh -c "echo hello; exit 3"; systemctl is-active $u; ctr containers ls -q | grep -c $N'
same 'containerd: a scope' "$ctr_words"'; $T -d --memory-limit 67108864 --cpus 0.5 $I $N sleep 1000; begun; for q in ActiveState Slice MemoryMax MemoryLimit CPUQuotaPerSecUSec; do echo "$q $(property $u $q)"; done
	p=$(ctr task ls | awk -v n=$N "\$1==n{print \$2}"); d=$(cgroup $p memory); cat $d/memory.max $d/memory.limit_in_bytes 2>/dev/null; say ctr task exec --exec-id e $N sh -c "echo in; exit 4"
	ctr task pause $N; ctr task ls | awk -v n=$N "\$1==n{print \$3}"; cat $d/cgroup.freeze 2>/dev/null; ctr task resume $N; ctr task metrics $N | grep -cE "^(memory.usage_in_bytes|memory.usage|pids.current) "
	ctr task ps $N | wc -l | sed "s/[1-9][0-9]*/some/"; ctr task kill -s KILL $N; await sh -c "ctr task ls | grep -q \"^$N .*STOPPED\""; ctr task rm $N 2>/dev/null; ctr containers rm $N; systemctl is-active $u; test -d $d || echo gone'
