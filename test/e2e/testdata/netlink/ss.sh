# The sockets that ss shows, and its filters.
ip link set lo up
python3 - <<'END' &
import socket, time
s = socket.create_server(("127.0.0.1", 8080), backlog=7)
s6 = socket.create_server(("::1", 8081), family=socket.AF_INET6)
c = socket.create_connection(("127.0.0.1", 8080)); a = s.accept()
c.send(b"waiting")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 53))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(("127.0.0.1", 53))
x = socket.socket(socket.AF_UNIX); x.bind("\0abstract"); x.listen(3)
y = socket.socket(socket.AF_UNIX); y.connect("\0abstract")
open("ready", "w").close()
time.sleep(30)
END
for i in $(seq 50); do [ -e ready ] && break; sleep 0.1; done
hide() { sed -E 's/:[0-9]{5}/:PORT/g; s/ +/ /g'; }
ss -Htln | hide | sort
ss -Htn state established | hide | sort
ss -Huan | hide | sort
ss -Htan sport = :8080 | hide | sort
ss -Htan dst 127.0.0.1 and dport = :8080 | hide | sort
ss -Htan '( sport > :8080 or sport = :1 )' | hide | sort
ss -Htan not src 127.0.0.0/8 | hide | sort
ss -Hxl | grep abstract | sed -E 's/ [0-9]+ +\*/ N */; s/ +/ /g'
ss -Htlne | grep -o 'ino:[0-9]*' | sort -u | wc -l
ss -H -A netlink | wc -l | sed 's/[1-9][0-9]*/some/'
ss -K dst 127.0.0.1 dport = 8080 2>&1 | hide
kill %1
