package oci

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// softwarePrelude has what the cases of software share. Their containers show the
// host's programs: soft runs one, up runs one that stays, as $N. $S is the image,
// /t has the programs of testdata, /w the case's directory.
const softwarePrelude = `
M="-v /usr:/usr:ro -v /etc/alternatives:/etc/alternatives:ro -v $T:/t:ro -v $PWD:/w"
G=$($H ip -4 -o addr show docker0 | awk '{print $4}' | cut -d/ -f1)
soft() { $RUN --rm $M "$@"; }
up() { $RUN -d --name $N $M "$@" >/dev/null; A=$(addr $N); }
same() { while read sum; do [ "$sum" = "$1" ] && echo same || echo other; done; }
PG=$(echo /usr/lib/postgresql/*/bin)
# What is asked again until it succeeds; starting takes a while on a busy machine.
fetch() { i=0; until got=$("$@" 2>/dev/null); do i=$((i+1)); [ $i -lt 200 ] || { echo "never: $*"; return; }; sleep 0.2; done; [ -z "$got" ] || echo "$got"; }
`

// softwareCases are programs that people run, over docker's bridge: in a container
// and against one. $MB is how large files are, $SECS how long load lasts.
func softwareCases() []scriptCase {
	return []scriptCase{
		{"curl, wget and nginx", `head -c ${MB}M /dev/urandom >big; want=$(sha256sum <big); (exec $H busybox httpd -f -p $G:$PORT -h .) & P=$!
			fetch $H curl -sfI http://$G:$PORT/big >/dev/null; soft $S sh -c "curl -s http://$G:$PORT/big | sha256sum; wget -qO- http://$G:$PORT/big | sha256sum" | same "$want"; kill $P
			echo "daemon off; pid /tmp/pid; error_log /dev/null; user root; events { } http { access_log off; server { listen 80; root /w; location /small { return 200 small; } } }" >nginx.conf
			up $S nginx -c /w/nginx.conf; fetch $H curl -sf http://$A/small; for c in "curl -s" "wget -qO-"; do $H $c http://$A/big | sha256sum; done | same "$want"
			$H wrk -t2 -c32 -d${SECS}s http://$A/small | awk '/Socket errors|Non-2xx/; /requests in/ {print ($1 > 100) ? "many" : "few"}'; clean`},
		{"redis", `up $S redis-server --save "" --protected-mode no --dir /tmp; fetch $H redis-cli -h $A ping; $H redis-benchmark -h $A -t get,set,lpush -n 3000 -c 50 --csv | cut -d, -f1
			$H redis-benchmark -h $A -t get -P 16 -n 20000 --csv | cut -d, -f1; soft $S redis-benchmark -h $A -t get -n 1000 -c 10 --csv | cut -d, -f1; clean`},
		{"PostgreSQL", `up -e LC_ALL=C -e HOME=/tmp -u nobody $S sh -c "$PG/initdb -D /tmp/d -A trust >/dev/null && echo host all all all trust >>/tmp/d/pg_hba.conf && exec $PG/postgres -D /tmp/d -k /tmp -c listen_addresses=*"
			DB="$H env PGCONNECT_TIMEOUT=10 $PG/"; fetch ${DB}psql -h $A -U nobody -Atc "select 6*7" postgres; ${DB}pgbench -h $A -U nobody -i -q -s 1 postgres 2>&1 | grep -c "^done"
			for o in "-c 4 -t 25" "-S -c 4 -t 100" "-S -C -c 2 -t 5"; do ${DB}pgbench -h $A -U nobody $o postgres 2>/dev/null | grep -E "processed|failed"; done
			soft $S $PG/pgbench -h $A -U nobody -S -t 100 postgres 2>/dev/null | grep processed; clean`},
		{"node", `up $S node /t/server.js; fetch $H curl -sf -d abc http://$A:8080/; $H node $T/client.js $A 100 $((MB*1000000)); soft $S node /t/client.js $A 50 1000000; clean`},
		{"python", `head -c 300000 /dev/urandom >page; up -w /w $S python3 -m http.server 8081; fetch $H curl -sfo got http://$A:8081/page; sha256sum <got | cut -d" " -f1 >sum
			($H /usr/bin/python3 $T/client.py $A 8081 /page 100; soft $S /usr/bin/python3 /t/client.py $A 8081 /page 50) | sed "s/$(cat sum)/same/"; clean`},
		{"gRPC", `up -v $B:/b:ro $S /b/grpc serve :7777; i=0; until $H $B/grpc ask $A:7777 1 1 >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 30 ] || break; sleep 0.2; done
			$H $B/grpc ask $A:7777 20 20000; soft -v $B:/b:ro $S /b/grpc ask $A:7777 10 20000; clean`},
		{"apt", `for i in 1 2 3; do mkdir -p p$i/DEBIAN p$i/opt repo; printf "Package: hull-$i\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: one\n" >p$i/DEBIAN/control; head -c 500000 /dev/urandom >p$i/opt/hull-$i; done
			echo "Depends: hull-2, hull-3" >>p1/DEBIAN/control; for i in 1 2 3; do dpkg-deb -b p$i repo >/dev/null; done; (cd repo && dpkg-scanpackages . >Packages 2>/dev/null); (exec $H busybox httpd -f -p $G:$PORT -h repo) & P=$!
			mkdir -p root/var/lib/dpkg root/etc/apt root/var/lib/apt root/var/cache/apt; touch root/var/lib/dpkg/status; echo "deb [trusted=yes] http://$G:$PORT/ ./" >root/etc/apt/sources.list
			soft $S sh -c 'cp -a /w/root /tmp/r; APT="apt-get -q -o Dir::State=/tmp/r/var/lib/apt -o Dir::State::status=/tmp/r/var/lib/dpkg/status -o Dir::Cache=/tmp/r/var/cache/apt -o Dir::Etc=/tmp/r/etc/apt -o APT::Sandbox::User=root -o DPkg::Options::=--root=/tmp/r -o DPkg::Options::=--log=/dev/null"
				$APT update >/dev/null 2>&1; $APT install -y hull-1 2>&1 | grep "^Setting up" | sort; sha256sum /tmp/r/opt/* | cut -d" " -f1' | sed "$(for i in 1 2 3; do echo "s/$(sha256sum <p$i/opt/hull-$i | cut -d' ' -f1)/file $i/;"; done)"; kill $P; wait`},
		{"name servers", `up $S /usr/bin/python3 /t/dns.py 0.0.0.0; fetch $H dig +short +tries=1 +time=2 @$A a.example; $H dig +short @$A big.example | wc -l; $H dig +tcp +short @$A a.example; $H dig +ignore @$A big.example | grep -c "flags:.* tc "
			soft --dns $A $S sh -c "getent ahostsv4 a.example | awk '{print \$1, \$2}'; getent ahostsv4 big.example | grep -c STREAM; dig +short big.example | wc -l; dig +tcp +short a.example"; clean`},
		{"docker's name server asks others", `docker network create $N >/dev/null; (exec $H /usr/bin/python3 $T/dns.py $G) & P=$!; fetch $H dig +short +tries=1 +time=2 @$G a.example
			up --network $N --dns $G --network-alias ns $S /usr/bin/python3 /t/dns.py 0.0.0.0; docker exec $N dig +short a.example; docker exec $N dig +short big.example | wc -l; docker exec $N getent hosts a.example | awk "{print \$1}"
			fetch docker exec $N dig +short +tries=1 +time=2 @127.0.0.1 here.example; soft --network $N --dns $G $S sh -c 'getent hosts ns | grep -c ns; dig +short +tries=1 @ns there.example'; kill $P; clean`},
		{"ssh", `ssh-keygen -q -t ed25519 -N "" -f key; chmod 600 key; printf "HostKey /etc/ssh/host\nAuthorizedKeysFile /etc/ssh/mine\nPidFile none\nUsePAM no\nStrictModes no\nPrintLastLog no\n" >sshd_config
			up $S sh -c 'mkdir -p /run/sshd; cp /w/key /etc/ssh/host; cp /w/key.pub /etc/ssh/mine; chmod 600 /etc/ssh/*; exec /usr/sbin/sshd -D -f /w/sshd_config'
			O="-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@"; head -c ${MB}M /dev/urandom >big; want=$(sha256sum <big)
			fetch $H ssh -i key $O$A echo in; $H ssh -i key $O$A 'cat >/tmp/f; sha256sum </tmp/f; exit 3' <big | same "$want"; $H ssh -i key $O$A 'cat /tmp/f' | sha256sum | same "$want"; $H ssh -i key $O$A 'exit 3'; echo "= $?"; $H ssh -tt -i key $O$A tty </dev/null | tr -d "\r"
			soft $S sh -c "cp /w/key /tmp/k; chmod 600 /tmp/k; ssh -i /tmp/k $O$A 'cat /tmp/f' | sha256sum; ssh -i /tmp/k -fN -L 2222:127.0.0.1:22 $O$A; ssh -p 2222 -i /tmp/k ${O}127.0.0.1 sha256sum '</tmp/f'" | same "$want"; clean`},
		{"tools", `up --cap-add NET_ADMIN $S /usr/bin/python3 -m http.server 90; X="docker exec $N"; fetch $H curl -sf http://$A:90/ >/dev/null; here() { sed "s/$A/HERE/g; s/$G/THERE/g"; }
			$X ip -4 -o addr show eth0 | awk '{print $3, $4}' | here; $X ip route | here; $X ip route get $G | here | sed "s/uid.*//"; $X ip neigh show $G | awk '{print $4}'; $X ss -Htln | awk '{print $1, $4}'; $X ss -Htn | wc -l
			for o in "" "-s 5000" "-M do -s 1472"; do $X ping -c 2 -i 0.2 -W 5 $o $G | grep -o "[0-9] received"; done; $X ping -6 -c 1 -W 5 $($H ip -6 -o addr show docker0 scope global | awk '{print $4}' | cut -d/ -f1) 2>&1 | grep -oE "[0-9] received|setsockopt"
			for o in "" -I "-T -p 9" "-U -p 9"; do $X traceroute -n -q 1 -m 3 -w 5 $o $G | tail -1 | awk '{print $1, $2}' | here; done
			$X nft add table inet t; $X nft add chain inet t out '{ type filter hook output priority 0; }'; $X nft add rule inet t out tcp dport 98 counter reject with tcp reset; $X nft list ruleset
			$X /usr/bin/python3 -c "import socket; socket.create_connection(('$G', 98))" 2>&1 | tail -1; $X nft list ruleset | grep -o "counter packets 1 "`},
		{"tcpdump", `up $S sleep 100; docker exec $N timeout 30 tcpdump -Z root -lnv -i eth0 -c 4 tcp port 9 or icmp >cap 2>/dev/null & P=$!
			while kill -0 $P 2>/dev/null; do docker exec $N /usr/bin/python3 -c "import socket; s = socket.socket(); s.settimeout(5); print(s.connect_ex(('$G', 9)))" >/dev/null; docker exec $N ping -c 1 $G >/dev/null; done
			grep -oE "Flags \[[A-Z.]*\], cksum 0x[0-9a-f]* \((correct|incorrect)|ICMP echo (request|reply)" cap | sed "s/0x[0-9a-f]*//; s/(incorrect/(correct/" | sort -u; clean`},
	}
}

// software runs them over docker's bridge; e has the variables of its networks.
func (d *daemons) software(t *testing.T, e *teller) {
	dir := filepath.Join(d.dir, "software")
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	script := `set -e; mkdir -p "$1/root" && cd "$1/root"; for l in bin sbin lib lib64; do ln -s usr/$l $l; done
mkdir -p usr tmp root etc/ssh etc/apt var/lib/nginx var/log/nginx run w t b; chmod 1777 tmp
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\nsshd:x:107:65534::/run/sshd:/usr/sbin/nologin\n' >etc/passwd
printf 'root:*:1:0:99999:7:::\n' >etc/shadow; printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
tar -c . | docker import -c "ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin" - hull-software:1 >/dev/null`
	c := exec.Command("sh", "-c", script, "sh", dir)
	c.Env = d.env
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("image: %v\n%s", err, out)
	}
	c = exec.Command("go", "build", "-o", filepath.Join(dir, "grpc"), "./testdata/grpc")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s, env := *e, e.env
	s.prelude += softwarePrelude
	s.env = func(runtime, name string) []string {
		return append(env(runtime, name), "S=hull-software:1", "T="+here, "B="+dir,
			"MB="+cmp.Or(os.Getenv("HULL_SOFTWARE_MB"), "16"), "SECS="+cmp.Or(os.Getenv("HULL_SOFTWARE_SECONDS"), "1"))
	}
	s.compare(t, softwareCases())
}
