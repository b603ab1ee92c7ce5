# AppArmor: the profile of a container binds what is done for its guest on files.

mkdir -p /tmp/vol/sub /tmp/other; echo secret >/tmp/vol/secret; echo open >/tmp/vol/open; echo in >/tmp/vol/sub/in; echo o >/tmp/other/o; chmod -R a+rwX /tmp/vol /tmp/other
apparmor_parser -r <<'P'
#include <tunables/global>
profile check-paths flags=(attach_disconnected,mediate_deleted) {
  network, capability, file, umount, signal, ptrace,
  deny /etc/shadow rw,
  deny /etc/kept w,
  deny /hidden/** rwl,
  deny /data/secret r,
  deny /data/sub/** w,
  deny /data/deep/o r,
  deny /run/kept w,
  deny /one w,
}
# As the documents of Kubernetes have it.
profile check-deny-write flags=(attach_disconnected) {
  #include <abstractions/base>
  file,
  deny /** w,
}
# As the documents of docker have it.
profile check-server flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>
  network inet tcp, network inet udp, network inet icmp,
  deny network raw,
  deny network packet,
  file, umount,
  deny /bin/** wl, deny /boot/** wl, deny /etc/** wl, deny /root/** wl, deny /usr/** wl,
  /var/run/server.pid w,
  deny /tmp/only r,
  deny /bin/dd mrwklx,
  capability chown, capability dac_override, capability setuid, capability setgid, capability net_bind_service,
  deny @{PROC}/sys/kernel/shm* wkx,
  deny mount,
}
profile check-strict flags=(attach_disconnected) { /bin/busybox mrix, /etc/passwd r, }
P

same 'apparmor: docker-default' 'say run --rm $I sh -c "cat /etc/passwd; echo x >/tmp/f; cat /tmp/f; ls -d /bin; cat /proc/self/attr/current /proc/1/attr/current /proc/self/attr/apparmor/current /proc/self/task/1/attr/current"; docker inspect -f "{{.AppArmorProfile}}" $(docker create --runtime $R --name $N $I true); back2() { docker rm -f $N >/dev/null; back "$@"; }; back2 $I sleep 1000; docker inspect -f "{{.AppArmorProfile}}" $N; say docker exec $N id -u; say docker exec --privileged $N id -u'
same 'apparmor: paths of the root' 'say run --rm --security-opt apparmor=check-paths $I sh -c "echo s >/etc/shadow; cat /etc/shadow; echo k >/etc/kept; echo o >/etc/other; cat /etc/other; mkdir /hidden; echo >/hidden/f; ls /hidden; cat /etc/passwd; mv /etc/other /etc/kept; ls /etc; ln /etc/other /hidden/l; rm /etc/other; ls /etc"'
same 'apparmor: messages' 'run --rm --security-opt apparmor=check-paths $I sh -c "echo s >/etc/shadow; cat /etc/shadow; echo k >/etc/kept; mkdir /hidden; echo >/hidden/f" 2>&1'
same 'apparmor: paths of volumes' 'say run --rm --security-opt apparmor=check-paths -v /tmp/vol:/data -v /tmp/other:/data/deep -v /tmp/vol/open:/one -v /tmp/other:/hidden $I sh -c "cat /data/open /data/secret /data/sub/in; echo >>/data/sub/in; echo more >>/data/open; cat /data/deep/o; cat /one; echo >>/one; cat /hidden/o; ls /hidden; ls /data"; rm -rf /tmp/vol/deep; sort -u /tmp/vol/open; echo open >/tmp/vol/open; echo in >/tmp/vol/sub/in'
same 'apparmor: a link on the way' 'say run --rm $I true; mkdir -p l; ln -s run l/x; docker rm -f $N >/dev/null 2>&1; docker create --name $N $I sh -c "echo >/run/kept; echo no; cat /run/o; ls /run/" >/dev/null; tar -C / -c run --no-recursion | docker cp - $N:/ 2>/dev/null; docker commit $N linked-$R >/dev/null; docker rm $N >/dev/null
	say run --rm --security-opt apparmor=check-paths -v /tmp/other:/run linked-$R sh -c "echo >/run/kept; cat /run/o; ls /run"; docker rmi linked-$R >/dev/null'
same 'apparmor: no writes' 'say run --rm --security-opt apparmor=check-deny-write $I sh -c "echo x >/tmp/f; mkdir /d; touch /etc/passwd; cat /etc/passwd; ls /tmp"'
same 'apparmor: a server' 'say run --rm --security-opt apparmor=check-server $I sh -c "cat /etc/passwd; echo >/etc/new; rm /etc/passwd; echo 1 >/tmp/only; echo 2 >>/tmp/only; cat /tmp/only; echo t >/tmp/t; cat /tmp/t; dd if=/dev/null"
	say run --rm --network bridge --security-opt apparmor=check-server $I ping -c 1 -W 5 172.17.0.1 | tail -2 | head -1 | cut -d, -f1-3'
same 'apparmor: an image of its own' 'mkdir r; say run --rm --security-opt apparmor=unconfined $I sh -c "echo s >/etc/shadow; cat /etc/shadow"; say run --rm --privileged $I sh -c "echo s >/etc/shadow; cat /etc/shadow"'
same 'apparmor: one that is not loaded' 'run --rm --security-opt apparmor=check-none $I true >out 2>&1; echo "= $?"; 
	bundle b echo hi; edit ".process.apparmorProfile=\"check-none\""; $R run -b b $N >out 2>&1; echo "= $?"; grep -ciE "apparmor.*no such file" out; $R list -q | grep -c $N'
holds 'apparmor: it is named' 'check-none' 'bundle b echo hi; edit ".process.apparmorProfile=\"check-none\""; $R run -b b $N 2>&1 | grep -o check-none'
same 'apparmor: exec' 'bundle b sleep 1000; edit ".process.apparmorProfile=\"check-paths\""; $R run -d -b b $N >/dev/null 2>&1 </dev/null; $R exec $N sh -c "cat /etc/passwd"; $R exec --apparmor check-paths $N cat /etc/passwd; $R exec --apparmor check-none $N true >out 2>&1; echo "= $?"; $R delete -f $N'
holds 'apparmor: another one for exec' '1' 'bundle b sleep 1000; edit ".process.apparmorProfile=\"check-paths\""; $R run -d -b b $N >/dev/null 2>&1 </dev/null; $R exec --apparmor docker-default $N true 2>&1 | grep -c process.apparmorProfile; $R delete -f $N'
holds 'apparmor: who has the profile' 'gofer docker-default (enforce)
sentry unconfined' 'back $I sleep 1000; d=$(cgroup $(docker inspect -f "{{.State.Pid}}" $N) memory); for p in $(cat $d/cgroup.procs); do r=$(tr "\0" " " </proc/$p/cmdline | cut -d" " -f2); case "$r" in gofer|sentry) echo "$r $(cat /proc/$p/attr/current)";; esac; done | sort -u'
same 'apparmor: features' '$R features | jq -c .linux.apparmor'
