# Docker's daemon and containers; each step that works says so.
exec 2>&1
export PATH=$PATH:/usr/sbin:/sbin DOCKER_HOST=unix:///run/inside.sock
mkdir -p /sys/fs/cgroup /run/inside /var/lib/inside
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs none /var/lib/inside
ip link set lo up
dockerd --data-root /var/lib/inside --exec-root /run/inside -H $DOCKER_HOST -s vfs --pidfile /run/inside.pid >/tmp/dockerd.log 2>&1 &
for i in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
ip -br addr show docker0 | grep -q 172.17.0.1 && echo == bridge ready
docker network create -d bridge --subnet 10.77.0.0/24 net1 >/dev/null
iptables -t nat -S POSTROUTING | grep -q -- '-s 10.77.0.0/24 .* -j MASQUERADE' && echo == masquerades
mkdir -p /tmp/root/bin
cp /bin/busybox /tmp/root/bin/
for a in sh cat grep id httpd ip mknod wget sleep; do ln -s busybox /tmp/root/bin/$a; done
tar -C /tmp/root -c . | docker import - small >/dev/null
docker run --rm --network none --pids-limit 50 small /bin/sh -c 'echo == in a container; echo == user $(id -u); echo == cgroup $(cat /proc/self/cgroup)
mknod /x c 1 11 && cat /x 2>&1 | grep -q "not permitted" && echo == no devices of others'
docker run -d --name web --network net1 -p 8080:80 small /bin/httpd -f -h /bin >/dev/null
docker run --rm --network net1 small /bin/sh -c 'echo == address $(ip -o -4 addr show eth0)
i=0; until wget -q -O /dev/null http://web/busybox || [ $i = 100 ]; do i=$((i+1)); sleep 0.2; done; [ $i -lt 100 ] && echo == page from its name' | sed 's/== address .*inet /== address /'
curl -sf -o /dev/null http://127.0.0.1:8080/busybox && echo == page from its port
docker pause web >/dev/null && docker inspect -f '== {{.State.Status}}' web
docker unpause web >/dev/null
echo == exec $(docker exec web /bin/id -u)
docker rm -f web >/dev/null && echo == removed
kill %1
wait %1 || tail -30 /tmp/dockerd.log
exit 0
