# A connection that is redirected, as conntrack shows it.
ip link set lo up
nft 'table ip t { chain o { type filter hook output priority 0; ct state new counter; }; }'
nft 'table ip n { chain o { type nat hook output priority -100; tcp dport 81 redirect to :80; }; }'
python3 - <<'END'
import socket
s = socket.create_server(("127.0.0.1", 80))
c = socket.create_connection(("127.0.0.1", 81)); a, _ = s.accept()
c.send(b"x" * 100000); n = 0
while n < 100000: n += len(a.recv(100000))
print(n, c.getpeername(), a.getsockname())
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 5353))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.bind(("127.0.0.1", 5354)); v.sendto(b"q", ("127.0.0.1", 5353)); print(u.recv(10))
END
conntrack -L 2>&1 | sed -E 's/sport=[0-9]{5}/sport=X/g; s/dport=[0-9]{5}/dport=X/g; s/(tcp|udp) +([0-9]+) [0-9]+ /\1 \2 N /; s/(FIN_WAIT|CLOSE_WAIT|TIME_WAIT|LAST_ACK|CLOSE) /CLOSED /' | sort
conntrack -C
conntrack -D -p udp >/dev/null 2>&1; echo $?
conntrack -F 2>&1
conntrack -C
nft list table ip t
