# Packets that rules log to a group, the connection tracker's parameters and table.
set -v
ip link set lo up
nft -f - <<'END'
table inet t {
	chain o {
		type filter hook output priority 0
		ct mark set 5
		udp dport 97 log prefix "six " group 6 snaplen 30
		udp dport 98 meta mark set 9 log prefix "five " group 5
	}
}
END
iptables-legacy -A INPUT -p udp --dport 98 -j NFLOG --nflog-group 5 --nflog-prefix "in "
python3 - <<'END'
import socket, struct
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
n.settimeout(5)
m = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
def attr(t, v): return struct.pack("HH", 4 + len(v), t) + v + b"\0" * (-len(v) % 4)
def config(s, group, *attrs):
    b = struct.pack("!BBH", 2, 0, group) + b"".join(attrs)
    s.send(struct.pack("IHHII", 16 + len(b), 0x401, 5, 1, 0) + b)
    return struct.unpack_from("i", s.recv(1000), 16)[0]
bind, unbind, at_once = attr(1, b"\1"), attr(1, b"\2"), attr(5, struct.pack("!I", 1))
print(config(n, 5, attr(2, struct.pack("!IBB", 100, 2, 0))))
print(config(n, 5, bind, at_once), config(n, 5, bind), config(m, 5, bind), config(m, 5, unbind), config(n, 6, bind, at_once))
print(config(n, 5, attr(2, struct.pack("!IBB", 40, 2, 0))), config(n, 5, attr(6, struct.pack("!H", 1))), config(n, 5, attr(2, b"\0\0\0\0\3\0")))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 4000))
def show():
    b = n.recv(10000)
    size, typ, flags, seq, port = struct.unpack_from("IHHII", b)
    print("type %x flags %x" % (typ, flags), b[16:20].hex())
    at = 20
    while at < size:
        k, t = struct.unpack_from("HH", b, at)
        v = b[at + 4:at + k]
        if t == 9: v = v[:4] + v[6:10] + v[12:] # but for identifier and checksum
        if t not in (3, 11, 14, 15, 16, 17, 8): print(t, v.hex())
        at += (k + 3) & ~3
u.sendto(b"hello, world: this is long", ("127.0.0.1", 98))
show()
show()
u.sendto(b"hello", ("127.0.0.1", 97))
show()
print(config(n, 5, unbind), config(m, 5, bind))
l = socket.create_server(("127.0.0.1", 8080))
c = socket.create_connection(("127.0.0.1", 8080), source_address=("127.0.0.1", 5000))
a = l.accept()
c6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
c6.bind(("::1", 6000))
c6.sendto(b"x", ("::1", 99))
import re
print(re.sub(r" \d+ (?=ESTAB|src)", " N ", "".join(sorted(open("/proc/net/nf_conntrack")))))
END
cd /proc/sys/net/netfilter
cat nf_conntrack_tcp_timeout_established nf_conntrack_udp_timeout nf_conntrack_icmpv6_timeout nf_conntrack_tcp_loose
echo 77 > nf_conntrack_udp_timeout; echo 1 > nf_conntrack_acct; echo x > nf_conntrack_generic_timeout
cat nf_conntrack_udp_timeout nf_conntrack_acct
python3 -c 'import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 4001))
u.sendto(b"hello", ("127.0.0.1", 99))'
grep 4001 /proc/net/nf_conntrack
ls -l nf_conntrack_max | cut -c 1-10 | tr w -
