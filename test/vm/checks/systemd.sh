# The runtime's own verbs with cgroups that systemd makes, and without it.

unit='u=hull-$N.scope; edit ".linux.cgroupsPath=\"system.slice:hull:$N\""; V="$R --systemd-cgroup"'

same 'systemd: a scope' 'bundle b sleep 1000; '"$unit"'; edit ".linux.resources.memory.limit=67108864 | .linux.resources.cpu={quota:50000,period:100000,cpus:\"0\"} | .linux.resources.pids.limit=50 | .annotations={\"org.systemd.property.TimeoutStopUSec\":\"uint64 123000000\",\"org.systemd.property.Description\":\"\\\"a test\\\"\"}"
	$V create -b b $N </dev/null >/dev/null 2>&1; $R state $N | jq -r .status; for p in ActiveState Slice Delegate MemoryMax CPUQuotaPerSecUSec AllowedCPUs TimeoutStopUSec Description DefaultDependencies; do echo "$p $(property $u $p)"; done
	p=$($R state $N | jq .pid); sed "s/c-$R/NAME/" /proc/$p/cgroup | grep -E ":(memory)?:" | sort; d=$(cgroup $p memory); cat $d/memory.max $d/cpu.max $d/memory.limit_in_bytes 2>/dev/null
	$R start $N; $R state $N | jq -r .status; $R events --stats $N | jq -c "[.type, .id != \"\", .data.memory.usage.limit, .data.memory.usage.usage > 100000, .data.pids.current > 0, .data.cpu.usage.total > 1000]"
	$R pause $N; cat $d/cgroup.freeze $(cgroup $p freezer)/freezer.state 2>/dev/null; $R state $N | jq -r .status; systemctl is-active $u; $R resume $N; cat $d/cgroup.freeze $(cgroup $p freezer)/freezer.state 2>/dev/null
	$V update --memory 134217728 --memory-swap 134217728 --pids-limit 60 --cpu-quota 150000 $N; for q in MemoryMax CPUQuotaPerSecUSec; do echo "$q $(property $u $q)"; done; cat $d/memory.max $d/memory.limit_in_bytes 2>/dev/null
	$R exec $N echo inside; $R kill $N KILL; await sh -c "$R state $N | grep -q stopped"; $R delete $N; systemctl is-active $u; test -d $d || echo gone; systemctl list-units --all --plain --no-legend "$u" | wc -l'
same 'systemd: run to its end' 'bundle b sh -c "exit 7"; '"$unit"'; $V run -b b $N 2>/dev/null; echo "= $?"; systemctl is-active $u; systemctl list-units --all --plain --no-legend $u | wc -l; bundle b sleep 1000; '"$unit"'; $V run -d -b b $N </dev/null >/dev/null 2>&1; systemctl stop $u 2>/dev/null; await sh -c "$R state $N | grep -q stopped"; $R state $N | jq -r .status; $R delete $N; $R list -q | grep -c $N'
same 'systemd: a process that fills the memory' 'bundle b sh -c "head -c 200m /dev/zero | tail -c 150m"; u=hull-full-$N.scope; edit ".linux.cgroupsPath=\"system.slice:hull-full:$N\""; V="$R --systemd-cgroup"; edit ".linux.resources.memory.limit=50331648 | .linux.resources.memory.swap=50331648"; $V run -b b $N >/dev/null 2>&1; echo "= $?"'
same 'systemd: slices' 'bundle b sleep 1000; for p in hull-deep-er.slice:pre:$N ::$N system.slice::$N hull-other.slice::$N; do edit ".linux.cgroupsPath=\"$p\""; $R --systemd-cgroup run -d -b b $N </dev/null >/dev/null 2>&1; d=$(cgroup $($R state $N | jq .pid) memory)
	echo "${d#/sys/fs/cgroup}" | sed "s/c-$R/NAME/"; $R --systemd-cgroup delete -f $N; test -d $d || echo gone; done; $R list -q | wc -l'
same 'systemd: bad places' 'bundle b true; for p in /a/b a:b x.scope:a:b system.slice:a/b:c; do edit ".linux.cgroupsPath=\"$p\""; $R --systemd-cgroup run -b b $N >/dev/null 2>&1; echo "= $?"; done'
holds 'systemd: it is killed' '= 0
inactive' 'bundle b sleep 1000; '"$unit"'; $V run -d -b b $N </dev/null >/dev/null 2>&1; p=$($R state $N | jq .pid); kill -9 $p; await sh -c "$R state $N | grep -q stopped"; $V delete --force $N; echo "= $?"; systemctl is-active $u'
same 'cgroupfs: by hand' 'bundle b sleep 1000; edit ".linux.cgroupsPath=\"/by-hand/$N\" | .linux.resources.memory.limit=67108864 | .linux.resources.pids.limit=50"; $R run -d -b b $N </dev/null >/dev/null 2>&1; p=$($R state $N | jq .pid); d=$(cgroup $p memory); echo ${d#/sys/fs/cgroup} | sed "s/$N/NAME/"; cat $d/memory.max $d/memory.limit_in_bytes 2>/dev/null
	$R pause $N; cat $d/cgroup.freeze $(cgroup $p freezer)/freezer.state 2>/dev/null; $R resume $N; $R ps $N | wc -l | sed "s/[1-9]/some/"; $R delete --force $N; test -d $d || echo gone'
