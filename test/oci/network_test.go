package oci

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hull/test/internal/docker"
)

// networkPrelude has what the cases share: $H runs a command where dockerd's
// bridges are; serve makes a container named $1 that serves a page by HTTP.
const networkPrelude = `
H="nsenter -t $DOCKERD -n --"
serve() { name=$1; shift; $RUN -d --name $name "$@" $I sh -c 'mkdir /www; echo page of $(hostname) >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; }
fetch() { i=0; while :; do "$@" 2>/dev/null && return; i=$((i+1)); [ $i -lt 30 ] || { echo "never: $*"; return; }; sleep 0.2; done; }
# The image's programs find no hosts by name but nslookup: they are linked statically.
get() { net=$1; to=$2; port=$3; fetch $RUN --rm $net $I sh -c "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $to $port | grep page"; }
addr() { docker inspect -f "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}" $1; }
clean() { docker rm -f $N $N-2 $N-3 >/dev/null 2>&1; docker network rm $N >/dev/null 2>&1; }
`

// networkCases are compared as scriptCases are; $RUN has no --network.
func networkCases() []scriptCase {
	return []scriptCase{
		{"bridge", `serve $N -h server; A=$(addr $N); fetch $H busybox wget -qO- http://$A/; get "" $A 80; clean`},
		{"ping", `back $I sleep 100; A=$(addr $N); $H busybox ping -c 2 -W 2 $A | tail -2 | head -1 | cut -d, -f1-3; $RUN --rm $I ping -c 2 -W 2 $A | tail -2 | head -1 | cut -d, -f1-3
			docker exec $N ping -c 1 -W 2 127.0.0.1 | tail -2 | head -1 | cut -d, -f1-3; clean`},
		{"addresses", `$RUN --rm --mac-address 02:42:ac:11:01:0$NET $I ip addr show eth0 | grep -c 02:42:ac:11:01:0$NET; $RUN --rm $I sh -c 'ip addr show eth0 | grep -c "inet .*/16 brd"; ip route | sed "s/src .*//"; cat /sys/class/net/eth0/mtu'`},
		{"published port", `serve $N -h server -p 127.0.0.1:$PORT:80; fetch $H busybox wget -qO- http://127.0.0.1:$PORT/; $H busybox wget -T 2 -qO- http://127.0.0.1:7999/ 2>&1 | grep -c refused; clean`},
		{"from inside to the host", `mkdir w; echo page of host >w/index.html; (exec $H busybox httpd -f -p $PORT -h w) >/dev/null 2>&1 & P=$!; G=$($H ip -4 -o addr show docker0 | awk '{print $4}' | cut -d/ -f1)
			get "" $G $PORT; kill $P; wait`},
		{"names", `docker network create $N >/dev/null; serve $N --network $N -h server --network-alias other; for n in $N other; do get "--network $N" $($RUN --rm --network $N $I nslookup $n 2>/dev/null | awk "/^Address: 1/ {print \$2}" | head -1) 80; done
			$RUN --rm --network $N $I cat /etc/resolv.conf | grep nameserver; $RUN --rm --network $N $I nslookup $N | grep -c "^Address: 1"; clean`},
		{"no such name", `docker network create $N >/dev/null; $RUN --rm --network $N --dns 127.0.0.9 $I nslookup nosuch.invalid >/dev/null 2>&1; echo "= $?"; clean`},
		{"none", `$RUN --rm --network none $I sh -c 'ls /sys/class/net; ping -c 1 -W 1 127.0.0.1 | grep -c "1 packets received"; nc -w 1 192.0.2.1 80 2>&1 | grep -c unreachable'`},
		{"refused and unreachable", `back $I sleep 100; A=$(addr $N); $RUN --rm $I nc -w 5 $A 80 2>&1 | grep -c refused; clean`},
		{"IPv6", `docker network create --ipv6 --subnet fd00:77:$NET::/64 $N >/dev/null; serve $N --network $N -h server; A=$(docker inspect -f "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}" $N)
			fetch $H busybox wget -qO- http://[$A]/; get "--network $N" $A 80; $RUN --rm --network $N $I ping6 -c 1 -W 2 $A | grep -c "1 packets received"; clean`},
		{"another container's", `serve $N -h server; A=$(addr $N); fetch $H busybox wget -qO- http://$A/; get "--network container:$N" 127.0.0.1 80; $RUN --rm --network container:$N $I sh -c 'ip addr show eth0 | grep -c "inet "'; clean`},
		{"two networks", `docker network create $N >/dev/null; docker create --runtime $RT --name $N -i $I sh -c 'ls /sys/class/net | tr "\n" " "; ip route | grep -c default' >/dev/null; docker network connect $N $N; docker start -ai $N </dev/null; clean`},
		{"bulk", `back $I sh -c 'dd if=/dev/zero bs=1M count=64 2>/dev/null | nc -l -p 99'; A=$(addr $N); sleep 0.5; mkfifo f; $H busybox nc $A 99 <>f | md5sum; clean`},
		{"connected later", `docker network create $N >/dev/null; docker network create --ipv6 --subnet fd00:79:$NET::/64 $N-2 >/dev/null; back $I sleep 100; $RUN -d --name $N-2 --network $N --network-alias two $I sleep 100 >/dev/null
			on() { docker exec $N "$@"; }; seen() { i=0; until [ "$(on ls /sys/class/net | tr "\n" " ")" = "$1 lo " ]; do i=$((i+1)); [ $i -lt 50 ] || break; sleep 0.1; done; on ls /sys/class/net | tr "\n" " "; on ip route | grep -c default; }
			docker network connect --alias one $N $N; seen "eth0 eth1"; on ping -c 1 -W 5 two | grep -c "1 packets received"; $RUN --rm --network $N $I ping -c 1 -W 5 one | grep -c "1 packets received"; on grep nameserver /etc/resolv.conf
			docker network connect $N-2 $N; seen "eth0 eth1 eth2"; on ip addr show eth2 | grep -c fd00:79:$NET; docker network disconnect bridge $N; seen "eth1 eth2"; on ip route | grep default | sed "s/via [0-9.]*//"
			docker network disconnect $N-2 $N; seen "eth1"; docker network connect bridge $N; seen "eth1 eth3"; on ping -c 1 -W 5 $($H ip -4 -o addr show docker0 | awk '{print $4}' | cut -d/ -f1) | grep -c "1 packets received"; clean; docker network rm $N-2 >/dev/null`},
		{"changes from outside", `serve $N -h server; A=$(addr $N); fetch $H busybox wget -qO- http://$A/; P=$(docker inspect -f "{{.State.Pid}}" $N); is() { i=0; until docker exec $N ip link show eth0 | grep -q "$1"; do i=$((i+1)); [ $i -lt 50 ] || break; sleep 0.1; done; docker exec $N ip link show eth0 | grep -o "$1"; }
			nsenter -t $P -n ip link set eth0 mtu 1400; is "mtu 1400"; nsenter -t $P -n ip addr add 10.201.$NET.1/32 dev eth0; V=$($H ip -o link | sed -n "s/^$(nsenter -t $P -n ip -o link show eth0 | sed "s/.*@if\([0-9]*\):.*/\1/"): \(veth[^@]*\)@.*/\1/p"); $H ip link set $V down; is NO-CARRIER; $H ip link set $V up; is LOWER_UP; docker exec $N ip addr show eth0 | grep -c 10.201.$NET.1; fetch $H busybox wget -qO- http://$A/; clean`},
		{"compose", `printf 'version: "2.4"\nservices:\n  web:\n    image: %s\n    runtime: %s\n    hostname: server\n    ports: ["127.0.0.1:%s:80"]\n    networks: {default: {aliases: [site]}}\n    command: sh -c "mkdir /www; echo page of server >/www/index.html; exec httpd -f -p 80 -h /www"\n' $I $RT $PORT >docker-compose.yml
			printf '  client: {image: %s, runtime: %s, depends_on: [web], command: sleep 1000}\n' $I $RT >>docker-compose.yml; compose() { docker-compose -p $N "$@" 2>/dev/null; }; compose up -d
			for n in web site; do A=$(compose exec -T client nslookup $n | awk '/^Address: 1/ {print $2}' | head -1); fetch compose exec -T client sh -c "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $A 80 | grep page"; done
			fetch $H busybox wget -qO- http://127.0.0.1:$PORT/; compose down -t 0; docker ps -aq --filter name=$N | wc -l; docker network ls -q --filter name=$N | wc -l`},
		{"restart", `serve $N -h server; docker restart -t 0 $N >/dev/null; sleep 0.5; A=$(addr $N); fetch $H busybox wget -qO- http://$A/; clean`},
		{"killed under load", `for k in $(seq $KILLS); do docker network create $N >/dev/null
			$RUN -d --name $N --network $N -p 127.0.0.1:$PORT:80 $I sh -c 'mkdir /www; dd if=/dev/zero of=/www/f bs=1M count=8 2>/dev/null; exec httpd -f -p 80 -h /www' >/dev/null; A=$(addr $N); ID=$(docker inspect -f "{{.Id}}" $N)
			fetch $H busybox wget -qO /dev/null http://127.0.0.1:$PORT/f; for j in 1 2 3 4; do (while $H busybox wget -T 2 -qO /dev/null http://$A/f; do :; done) 2>/dev/null & done
			all=$(find /sys/fs/cgroup -path "*$ID*" -name cgroup.procs -exec cat {} + | sort -u); sleep 0.$k; kill -9 $(docker inspect -f "{{.State.Pid}}" $N); until_is "{{.State.Running}} {{.State.ExitCode}}" "false 137"
			docker rm $N >/dev/null; docker network rm $N >/dev/null; for p in $all; do [ ! -d /proc/$p ] || grep -q "State:.Z" /proc/$p/status || echo "$p is there"; done; find /sys/fs/cgroup -name "*$ID*" | wc -l; done
			wait; $H ip -o link | grep -cE "veth|br-"; $H iptables-save -t nat | grep -c $PORT`},
		{"what is left", `serve $N -p 127.0.0.1:$PORT:80; clean; sleep 0.5; $H ip -o link | grep -c veth; pgrep -f "hull.*$N" | wc -l`},
	}
}

func TestDockerNetworks(t *testing.T) {
	// A network namespace of the daemon's own: bridges, rules and ports are there.
	d := startWith(t, docker.Options{
		Command: []string{"unshare", "--net", "sh", "-c", `ip link set lo up; exec dockerd "$@"`, "dockerd"}, OwnBridge: true,
		Args: []string{"--ipv6", "--fixed-cidr-v6", "fd00:42::/64"},
	})
	pid, err := os.ReadFile(filepath.Join(d.dir, "docker.pid"))
	if err != nil {
		t.Fatal(err)
	}
	e := d.teller("RUN=docker run --runtime $RT", "KILLS="+cmp.Or(os.Getenv("HULL_KILLS"), "2"), "DOCKERD="+strings.TrimSpace(string(pid)))
	e.prelude, e.apart = e.prelude+networkPrelude, []string{"changes from outside", "killed under load", "what is left"}
	env := e.env
	e.env = func(runtime, name string) []string { // what there is one of on the machine
		n := map[string]string{"runc": "7", "hull": "8"}[runtime]
		return append(env(runtime, name), "PORT=808"+n, "NET="+n)
	}
	e.compare(t, networkCases())
	t.Run("software", func(t *testing.T) { d.software(t, e) })
}
