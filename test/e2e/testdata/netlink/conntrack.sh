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
# Connections that somebody made by hand, one in a zone, one in a zone of one direction.
made="-p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 443"
conntrack -I $made --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 1000 2>&1
conntrack -I $made --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 1000 >/dev/null 2>&1; echo $?
conntrack -I $made --state SYN_SENT -t 1000 -w 5 2>&1
conntrack -I $made --state SYN_SENT -t 1000 --orig-zone 6 2>&1
conntrack -I -p udp -s fd00::1 -d fd00::2 --sport 1 --dport 2 -t 1000 -m 9 2>&1
conntrack -U $made -m 7 -t 500 2>&1 | sed s/use=2/use=1/
conntrack -L 2>&1 | sed -E 's/ (99[0-9]|49[0-9]|1000|500) / N /' | sort
conntrack -L -f ipv6 2>&1 | sed -E 's/ (99[0-9]|1000) / N /' | sort
sed -E 's/ (99[0-9]|49[0-9]|1000|500) / N /' /proc/net/nf_conntrack | sort
conntrack -D -w 5 >/dev/null 2>&1; echo $?
conntrack -C
# Translated ones: the source, the destination, both, and to what somebody else has.
conntrack -F 2>&1
to="-d 10.0.0.2 -p udp --sport 10 --dport 20 -t 100"
conntrack -I -s 10.0.0.1 $to --src-nat 192.0.2.1 2>&1
conntrack -I -s 10.0.0.3 $to --dst-nat 192.0.2.2 2>&1
conntrack -I -s 10.0.0.4 $to --src-nat 192.0.2.1:5000 2>&1
conntrack -I -s 10.0.0.5 $to --src-nat 192.0.2.1:5000 2>&1
conntrack -I -s 10.0.0.6 $to --dst-nat 192.0.2.2:6000 --src-nat 192.0.2.9 2>&1
conntrack -I -s 10.0.0.9 -d 10.0.0.2 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 100 --src-nat 192.0.2.3 2>&1
conntrack -I -s 2001:db8::1 -d 2001:db8::2 -p udp --sport 10 --dport 20 -t 100 --src-nat 2001:db8::3 2>&1
conntrack -U -s 10.0.0.1 $to --dst-nat 192.0.2.5 >/dev/null 2>&1; echo $?
conntrack -L --src-nat 2>&1 | sed -E 's/ (9[0-9]|100) / N /' | sort
conntrack -L --dst-nat 2>&1 | sed -E 's/ (9[0-9]|100) / N /' | sort
conntrack -D -g >/dev/null 2>&1; conntrack -C
