package oci

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// podmanNetPrelude has what the cases share: $H runs a command where podman's
// bridges are; serve makes a container named $1 that serves a page by HTTP.
const podmanNetPrelude = `
H="nsenter --net=$NS --"
serve() { name=$1; shift; $P run -d --name $name "$@" $I sh -c 'mkdir /www; echo page of $(hostname) >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null; }
fetch() { i=0; while :; do "$@" 2>/dev/null && return; i=$((i+1)); [ $i -lt 50 ] || { echo "never: $*"; return; }; sleep 0.2; done; }
get() { net=$1; to=$2; port=$3; fetch $P run --rm $net $I sh -c "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $to $port | grep page"; }
network() { name=$1; third=$2; shift 2; $P network create --subnet 10.$third.$NET.0/24 "$@" $name >/dev/null; }
same() { sed "s/10\.\([0-9]*\)\.$NET\./10.\1.NET./g"; } # the two runtimes' networks have other numbers
seen() { i=0; until [ "$($P exec $N ls /sys/class/net | tr "\n" " ")" = "$1 " ]; do i=$((i+1)); [ $i -lt 50 ] || break; sleep 0.1; done; $P exec $N ls /sys/class/net | tr "\n" " "; echo; }
`

// podmanNetCases are podman's networks, by netavark and aardvark-dns.
func podmanNetCases() []scriptCase {
	return []scriptCase{
		{"networks, names", `network $N 77; serve $N --network $N -h server --network-alias other --ip 10.77.$NET.9
			for n in $N other server; do $P run --rm --network $N $I nslookup $n 2>/dev/null | awk '/^Address: 1/ {print $2}' | sort -u; done | same; get "--network $N" 10.77.$NET.9 80
			$P exec $N ip route | same; $P exec $N head -2 /etc/resolv.conf | same; $P exec $N grep 10.77 /etc/hosts | same; $P run --rm --network $N $I nslookup nosuch >/dev/null 2>&1; echo "= $?"
			get "--network container:$N" 127.0.0.1 80; $P run --rm --network container:$N $I ip addr show eth0 | grep -c "inet 10.77.$NET.9"`},
		{"networks, several", `network $N 77; network $N-2 78; $P run --rm --network $N --network $N-2 $I sh -c 'ls /sys/class/net | tr "\n" " "; ip route | grep -c default; ip route | grep -c 10.7'
			$P run -d --name $N --network $N $I sleep 100 >/dev/null; $P network connect $N-2 $N; seen "eth0 eth1 lo"; $P exec $N ip addr show eth1 | grep -c "inet 10.78.$NET"; $P network disconnect $N-2 $N; seen "eth0 lo"`},
		{"networks, ports", `serve $N --network podman -h server -p 127.0.0.1:$PORT:80 -p 1$PORT:80; fetch $H busybox wget -qO- http://127.0.0.1:$PORT/; fetch $H busybox wget -qO- http://127.0.0.1:1$PORT/; $P restart -t 0 $N >/dev/null
			fetch $H busybox wget -qO- http://127.0.0.1:$PORT/; $P rm -f -t 0 $N >/dev/null; $H busybox wget -T 2 -qO- http://127.0.0.1:$PORT/ 2>&1 | grep -c refused`},
		{"networks, IPv6", `$P network create --ipv6 --subnet fd00:78:$NET::/64 $N >/dev/null; serve $N --network $N -h server --ip6 fd00:78:$NET::9; fetch $H busybox wget -qO- http://[fd00:78:$NET::9]/; $P run --rm --network $N $I ping6 -c 1 -W 2 fd00:78:$NET::9 | grep -c "1 packets received"`},
		{"networks, options", `network $N 77 --internal --opt mtu=1400; $P run --rm --network $N --ip 10.77.$NET.7 --mac-address 02:00:00:00:77:0$NET $I sh -c "ip route; ip addr show eth0 | grep -c 'mtu 1400'; ip link show eth0 | grep -c 02:00:00:00:77:0$NET" | same
			$P run --rm --network none $I sh -c 'ls /sys/class/net; nc -w 1 192.0.2.1 80 2>&1 | grep -c unreachable'`},
		{"networks, pod", `network $N 77; $P pod create --name $N-pod --hostname podhost --network $N --ip 10.77.$NET.6 --infra-image $I --infra-command '/bin/sleep 1000' -p 127.0.0.1:$PORT:80 >/dev/null; serve $N --pod $N-pod
			fetch $H busybox wget -qO- http://127.0.0.1:$PORT/; $P run --rm --pod $N-pod $I sh -c 'ip addr show eth0 | grep -c "inet 10.77"; nc -w 2 127.0.0.1 80 </dev/null; echo = $?'; $P pod rm -f -t 0 $N-pod >/dev/null`},
	}
}

// networks runs the cases of networks, in a namespace that podman has for itself.
func (p *podman) networks(t *testing.T) {
	const name, ns = "hull-test-podman", "/run/netns/hull-test-podman"
	if out, err := exec.Command("sh", "-ec", "ip netns add "+name+"; ip -n "+name+" link set lo up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		// The name server of networks ends with the last container; if one was left it is there.
		_ = exec.Command("sh", "-c", "ip netns pids "+name+" | xargs -r kill; ip netns del "+name).Run()
	})
	command := func(runtime string) string {
		return "nsenter --net=" + ns + " " + p.command(runtime) + " --network-config-dir " + filepath.Join(p.dir, "networks")
	}
	e := &teller{
		label:   "podman-",
		prelude: podmanPrelude + podmanNetPrelude,
		env: func(runtime, name string) []string {
			n := map[string]string{"runc": "7", "hull": "8"}[runtime]
			return append(os.Environ(), "I="+image, "N="+name, "P="+command(runtime), "NS="+ns, "PORT=809"+n, "NET="+n)
		},
		clean: func(runtime, name string) {
			for _, what := range []string{"pod rm -f -t 0 " + name + "-pod", "rm -f -t 0 " + name, "network rm -f " + name, "network rm -f " + name + "-2"} {
				_ = p.sh(command(runtime) + " " + what).Run() // most cases have not made all of them
			}
		},
	}
	e.compare(t, podmanNetCases())
}
