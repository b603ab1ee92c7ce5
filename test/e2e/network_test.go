package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// servers are scripts that start a server and ask it over the loopback
// interface, natively and in hull; output and status must be the same. $port is
// one that nobody else uses.
func servers() map[string]string {
	const wait = `up() { for i in $(seq 300); do (: < /dev/tcp/127.0.0.1/$1) 2>/dev/null && return; sleep 0.1; done; echo "no server at $1"; exit 1; }
till() { for i in $(seq 300); do eval "$1" && return; sleep 0.1; done; echo "never: $1"; exit 1; }
`
	return map[string]string{
		"python-http": wait + `mkdir www; head -c 5000000 /dev/urandom > www/big; echo hello > www/index.html
python3 -m http.server -d www $port --bind 127.0.0.1 >/dev/null 2>&1 & up $port
curl -s http://127.0.0.1:$port/; curl -s http://127.0.0.1:$port/big | cmp - www/big && echo same
curl -s -o /dev/null -w '%{http_code} %{size_download}\n' http://127.0.0.1:$port/none
seq 20 | xargs -P 10 -I% curl -s http://127.0.0.1:$port/big -o got% ; cat got* | sha256sum | cut -c1-0; for f in got*; do cmp $f www/big; done; ls got* | wc -l
kill %1; wait; curl -s http://127.0.0.1:$port/; echo "curl $?"`,
		"redis": wait + `redis-server --port $port --save "" --bind 127.0.0.1 >/dev/null & up $port
redis-cli -p $port set a 1; redis-cli -p $port incr a; redis-cli -p $port lpush l x y z; redis-cli -p $port lrange l 0 -1
redis-benchmark -p $port -t ping,set,get,mset -n 3000 -c 20 -P 4 -q | tr '\r' '\n' | grep -c 'requests per second'
head -c 3000000 /dev/zero | tr '\0' x | redis-cli -p $port -x set big; redis-cli -p $port strlen big; redis-cli -p $port get big | wc -c
redis-cli -p $port subscribe c > sub & till "redis-cli -p $port pubsub numsub c | grep -q '^1'"; redis-cli -p $port publish c message; till 'grep -q message sub'; kill %2; tail -1 sub
redis-cli -p $port shutdown nosave; wait; echo stopped`,
		"nginx": wait + `mkdir logs; echo hello > index.html; head -c 2000000 /dev/urandom > big; chmod -R a+rX .; chmod a+x $PWD
printf 'daemon off; worker_processes 2; pid ng.pid; error_log stderr; user root;
events { worker_connections 512; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
server { listen 127.0.0.1:%d reuseport; root %s; location /p/ { proxy_pass http://127.0.0.1:%d/; } } }' $port "$PWD" $port > conf
nginx -p $PWD -c conf 2>errors & up $port
curl -s http://127.0.0.1:$port/; curl -s http://127.0.0.1:$port/big | cmp - big && echo same; curl -s http://127.0.0.1:$port/p/big | cmp - big && echo same through the proxy
wrk -t2 -c20 -d1 --timeout 30 http://127.0.0.1:$port/index.html > w; grep -c 'Requests/sec' w; grep -E 'Socket errors|Non-2xx' w
kill %1; wait; echo stopped`,
		"iperf3": wait + `serve() { wait; iperf3 -s -1 -p $port > /dev/null & till "ss -Htln sport = :$port | grep -q LISTEN"; }; serve
iperf3 -c 127.0.0.1 -p $port -n 100M -P 2 -J > j; python3 -c 'import json; e = json.load(open("j"))["end"]; print(e["sum_sent"]["bytes"] >= 100 << 20, e["sum_received"]["bytes"] > 0)'
serve; iperf3 -c 127.0.0.1 -p $port -n 50M -R -J > j; python3 -c 'import json; e = json.load(open("j"))["end"]; print(e["sum_received"]["bytes"] >= 50 << 20)'
serve; iperf3 -c 127.0.0.1 -p $port -u -b 5M -l 1000 -t 1 -J > j; python3 -c 'import json; e = json.load(open("j"))["end"]["sum"]; print(e["lost_percent"] < 5)'`,
		"python-sockets": `python3 - << 'END'
import asyncio, socket, threading, selectors, socketserver, os
from xmlrpc.server import SimpleXMLRPCServer
from xmlrpc.client import ServerProxy
port = int(os.environ["port"])
class Echo(socketserver.StreamRequestHandler):
    def handle(self): self.wfile.write(self.rfile.readline().upper())
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("127.0.0.1", port), Echo) as s:
    threading.Thread(target=s.serve_forever, daemon=True).start()
    for i in range(200):
        with socket.create_connection(("127.0.0.1", port)) as c:
            c.sendall(b"hello %d\n" % i); assert c.recv(100) == b"HELLO %d\n" % i
    s.shutdown()
async def handle(r, w):
    while (line := await r.readline()): w.write(line[::-1]); await w.drain()
    w.close()
async def client(n):
    r, w = await asyncio.open_connection("127.0.0.1", port + 1)
    for i in range(20): w.write(b"%d %d\n" % (n, i)); await r.readline()
    d = await r.read(1); w.close(); return d
async def main():
    s = await asyncio.start_server(handle, "127.0.0.1", port + 1)
    rs = await asyncio.gather(*(one(n) for n in range(100))); print(len(rs))
    s.close()
async def one(n):
    r, w = await asyncio.open_connection("127.0.0.1", port + 1)
    for i in range(20): w.write(b"%d-%d\n" % (n, i)); await r.readline()
    w.close()
asyncio.run(main())
u = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
u[0].bind(("127.0.0.1", 0)); u[1].connect(u[0].getsockname())
for i in range(1000): u[1].send(b"%d" % i); assert u[0].recv(100) == b"%d" % i
rpc = SimpleXMLRPCServer(("127.0.0.1", port + 2), logRequests=False); rpc.register_function(lambda a, b: a + b, "add")
threading.Thread(target=rpc.serve_forever, daemon=True).start()
print(ServerProxy("http://127.0.0.1:%d" % (port + 2)).add(2, 3))
print(sorted({(f.name, s.name) for f, s, *_ in socket.getaddrinfo("127.0.0.1", 80)}), socket.gethostbyname("localhost"), socket.if_nametoindex("lo"))
try: socket.create_connection(("127.0.0.1", 1))
except ConnectionRefusedError as e: print(e)
s = socket.create_server(("::1", port + 3), family=socket.AF_INET6); c = socket.create_connection(("::1", port + 3)); print(s.accept()[1][0])
END`,
		"ssh": wait + `ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f key; mkdir -p /run/sshd; cp key.pub ak; chmod 600 ak
/usr/sbin/sshd -D -p $port -h $PWD/host -o ListenAddress=127.0.0.1 -o AuthorizedKeysFile=$PWD/ak -o StrictModes=no -o PidFile=none -o UsePAM=no -o PermitRootLogin=yes -E log & up $port
S="ssh -q -F none -p $port -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes root@127.0.0.1"
$S 'echo in; exit 7'; echo "ssh $?"; head -c 3000000 /dev/urandom > f; $S 'cat > '$PWD/g < f; cmp f g && echo same; $S -tt 'tty | cut -c1-9; stty -a | grep -c speed' </dev/null
kill %1`,
	}
}

func TestServers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root")
	}
	bin := hull(t)
	for name, script := range servers() {
		t.Run(name, func(t *testing.T) {
			// A network of its own for the native run too: the loopback interface only.
			native := dir(t)
			want := run(t, "", "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
				"/bin/bash", "-c", "ip link set lo up; export port=18200; cd "+native+"; "+script)
			if want.status != 0 {
				t.Fatalf("natively: status %d, output:\n%s", want.status, want.out)
			}
			inside := dir(t)
			got := run(t, "", bin, "do", "--network=none", "--cwd", inside, "--env", "port=18200", "--", "/bin/bash", "-c", script)
			if got != want {
				t.Errorf("status %d, output:\n%s\nnatively %d:\n%s", got.status, got.out, want.status, want.out)
			}
		})
	}
}

// dir is an empty directory that every user may enter.
func dir(t *testing.T) string {
	t.Helper()
	d := t.TempDir()
	for p := d; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// TestGoNetwork runs a Go program that uses TLS, HTTP/2 and UDP.
func TestGoNetwork(t *testing.T) {
	prog := filepath.Join(dir(t), "net")
	c := exec.Command("go", "build", "-o", prog, "./testdata/netprog")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	want := run(t, "", prog)
	if got := run(t, "", hull(t), "do", "--", prog); got != want {
		t.Errorf("%+v, natively %+v", got, want)
	}
}
