# podman, with the cgroup manager systemd, as root and as a user with units of its own.

pod_root='P="podman --cgroup-manager systemd --runtime $R"; I=localhost/box'
podman image exists localhost/box || podman import /i.tar localhost/box >/dev/null 2>&1

same 'podman: run' "$pod_root"'; say $P run --rm --network none $I sh -c "echo hello; exit 3"; $P run -d --network none --name $N -m 64m --pids-limit 50 $I sleep 1000 >/dev/null; p=$($P inspect -f "{{.State.Pid}}" $N); d=$(cgroup $p memory); cat $d/memory.max $d/memory.limit_in_bytes 2>/dev/null; basename $d | sed "s/-[0-9a-f]*\.scope/-ID.scope/"
	say $P exec $N echo in; $P pause $N >/dev/null 2>&1; $P inspect -f "{{.State.Status}}" $N; $P unpause $N >/dev/null 2>&1; $P stats --no-stream --format "{{.MemLimit}}" $N; $P inspect -f "{{.AppArmorProfile}}" $N | sed "s/-default-.*/-default-VERSION/"; $P stop -t 1 $N >/dev/null 2>&1; $P inspect -f "{{.State.Status}}" $N; $P rm -f $N >/dev/null; test -d $d || echo gone'
# netstat, for Debian's static busybox crashes when it asks for a host, even by number.
same 'podman: a pod' "$pod_root"'; podman pod rm -f p-$R >/dev/null 2>&1; $P pod create --name p-$R --infra-image $I --infra-command "/bin/sleep 1000" >/dev/null; $P run -d --pod p-$R --name $N $I sh -c "mkdir /w; httpd -f -p 80 -h /w" >/dev/null
	$P run --rm --pod p-$R $I sh -c "i=0; until netstat -lnt | grep :80 | tr -s \" \" || [ \$i -gt 50 ]; do i=\$((i+1)); sleep 0.5; done"; p=$($P inspect -f "{{.State.Pid}}" $N); sed -n "s/[0-9a-f]\{64\}/ID/gp" /proc/$p/cgroup | sed -n "s/pod_ID/POD/p" | sort -u | tail -1 | grep -c POD; $P pod rm -f p-$R >/dev/null 2>&1; $P pod ps -q | wc -l'

# Users are given cgroups of v2 only.
[ -e /sys/fs/cgroup/cgroup.controllers ] || return 0

id u >/dev/null 2>&1 || { useradd -m -s /bin/sh u && loginctl enable-linger u; }
chmod a+r /i.tar
u=$(id -u u)
i=0; until [ -S /run/user/$u/bus ] || [ $i -gt 100 ]; do i=$((i+1)); sleep 0.5; done
cat >/usr/local/bin/as-user <<E2
#!/bin/sh
cd /home/u && exec setpriv --reuid u --regid u --init-groups env -i HOME=/home/u USER=u PATH=\$PATH XDG_RUNTIME_DIR=/run/user/$u DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$u/bus R="\$R" N="\$N" checks=/checks sh -c ". /checks/words.sh; \$1"
E2
chmod 755 /usr/local/bin/as-user
R=runc N=x as-user 'podman image exists localhost/box || podman import /i.tar localhost/box' >/dev/null 2>&1

same 'rootless: podman' 'cat >user.sh <<"E3"
P="podman --cgroup-manager systemd --runtime $R"; I=localhost/box; podman rm -f $N >/dev/null 2>&1
say $P run --rm --network none $I sh -c "id -u; exit 3"; $P run -d --network none --name $N -m 64m --pids-limit 50 $I sleep 1000 >/dev/null; p=$($P inspect -f "{{.State.Pid}}" $N); d=$(cgroup $p memory); cat $d/memory.max 2>/dev/null; echo $d | sed "s/-[0-9a-f]*\.scope/-ID.scope/"
say $P exec $N echo in; $P pause $N >/dev/null 2>&1; $P inspect -f "{{.State.Status}}" $N; cat $d/cgroup.freeze 2>/dev/null; $P unpause $N >/dev/null 2>&1; $P rm -f -t 0 $N >/dev/null; test -d $d || echo gone
E3
as-user "$(cat user.sh)"'
same 'rootless: a scope of the user' 'cat >user.sh <<"E3"
mkdir -p t; cd t; rm -rf b root; mkdir root; bundle b sleep 1000; cp -a /i i 2>/dev/null; runc spec --rootless -b b 2>/dev/null; rm b/config.json; runc spec --rootless -b b; u=hull-$N.scope; edit ".root.path=\"$PWD/i\" | .process.args=[\"sleep\",\"1000\"] | .process.terminal=false | .linux.cgroupsPath=\"user.slice:hull:$N\" | .linux.resources.memory.limit=67108864 | .linux.resources.pids.limit=50"
V="$R --root $PWD/root --systemd-cgroup"; USERMODE=--user; $V run -d -b b $N </dev/null >/dev/null 2>out || cat out; $V state $N | jq -r .status; for q in ActiveState Slice Delegate MemoryMax; do echo "$q $(property $u $q)"; done; p=$($V state $N | jq .pid); d=$(cgroup $p memory); cat $d/memory.max; echo $d | sed s/$N/NAME/
$V exec $N sh -c "echo inside"; $V pause $N 2>/dev/null; cat $d/cgroup.freeze; $V resume $N 2>/dev/null; $V delete --force $N; test -d $d || echo gone; $V list -q | wc -l
E3
as-user "$(cat user.sh)"'
