# Frames that rules of netdev's send elsewhere, copy and answer, and packets of IP that
# are copied to a gateway.
set -v
ip netns add left; ip netns add right
for i in left:1 right:2; do n=${i%:*} k=${i#*:}
ip link add v$k address 02:00:00:00:01:0$k type veth peer name eth0 netns $n address 02:00:00:00:00:0$k
for x in "sysctl -qw net.ipv6.conf.v$k.disable_ipv6=1" "ip netns exec $n sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.router_solicitations=0"; do $x; done
ip link set v$k up; ip -n $n link set lo up; ip -n $n link set eth0 up; ip -n $n addr add 10.9.0.$k/24 dev eth0; ip -n $n addr add fd09::$k/64 dev eth0 nodad
done
for n in left:2 right:1; do ip -n ${n%:*} neigh replace 10.9.0.${n#*:} lladdr 02:00:00:00:00:0${n#*:} dev eth0;  ip -n ${n%:*} neigh replace fd09::${n#*:} lladdr 02:00:00:00:00:0${n#*:} dev eth0; done
ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev v2
nft -f - <<'END'
table netdev n {
	chain left {
		type filter hook ingress device "v1" priority 0;
		udp dport 3 counter reject
		udp dport 4 counter reject with icmp type admin-prohibited
		tcp dport 5 counter reject with tcp reset
		meta protocol ip6 udp dport 6 reject with icmpx type host-unreachable
		udp dport 7 ip ttl set 9 fwd ip to 10.9.0.2 device "v2"
		udp dport 8 dup to "v2" drop
		udp dport 11 drop
		counter fwd to "v2"
	}
	chain right { type filter hook ingress device "v2" priority 0; ip ttl 77 drop; counter fwd to "v1"; }
}
END
nft list ruleset | grep -v counter
cat > ask.py <<'END'
import socket, sys, errno, struct
def udp(family, to, port):
    s = socket.socket(family, 2); s.settimeout(3); s.connect((to, port)); s.send(b"x")
    try: return s.recv(10)
    except OSError as e: return errno.errorcode.get(e.errno, "nothing")
def tcp(to, port):
    s = socket.socket(); s.settimeout(5)
    try: s.connect((to, port)); return s.recv(10)
    except OSError as e: return errno.errorcode.get(e.errno, "nothing")
for p in (3, 4, 7, 8, 9): print(p, udp(2, "10.9.0.2", p))
print("v6", 6, udp(10, "fd09::2", 6), "9", udp(10, "fd09::2", 9))
print("tcp", 5, tcp("10.9.0.2", 5), 80, tcp("10.9.0.2", 80), 81, tcp("10.9.0.2", 81))
END
cat > answer.py <<'END'
import socket, threading
def udp(family, port):
    s = socket.socket(family, 2); s.bind(("::" if family == 10 else "0.0.0.0", port))
    if family == 2: s.setsockopt(0, 12, 1)
    while True:
        d, anc, _, a = s.recvmsg(10, 100)
        ttl = int.from_bytes(anc[0][2], "little") if anc else 0
        s.sendto(b"%d" % ttl, a)
for p in (7, 8, 9): threading.Thread(target=udp, args=(2, p), daemon=True).start()
l = socket.create_server(("10.9.0.2", 80))
open("ready", "w").close()
while True: c, _ = l.accept(); c.send(b"hello"); c.close()
END
ip netns exec right python3 answer.py & A=$!
for i in $(seq 100); do [ -e ready ] && break; sleep 0.1; done
ip netns exec left python3 ask.py
kill $A; wait $A 2>/dev/null
nft list chain netdev n left | grep counter.*reject | sed 's/bytes [0-9]*/bytes N/'
nft flush ruleset
# A copy of what is routed goes to a gateway.
ip addr add 10.1.0.254/24 dev v1; ip addr add 10.2.0.254/24 dev v2; sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.v1.rp_filter=0 net.ipv4.conf.v2.rp_filter=0
ip -n left addr add 10.1.0.1/24 dev eth0; ip -n right addr add 10.2.0.1/24 dev eth0; ip -n left route add default via 10.1.0.254; ip -n right route add default via 10.2.0.254
ip netns add tap; ip link add v3 type veth peer name eth0 netns tap; ip link set v3 up; ip addr add 10.3.0.254/24 dev v3; ip -n tap link set eth0 up; ip -n tap addr add 10.3.0.1/24 dev eth0
nft 'table ip t { chain pre { type filter hook prerouting priority 0; udp dport 9 dup to 10.3.0.1 device "v3"; }; chain post { type filter hook postrouting priority 0; udp dport 10 dup to 10.3.0.1; }; chain out { type filter hook output priority 0; udp dport 12 dup to 10.3.0.1; }; }'
nft list ruleset
cat > tap.py <<'END'
import socket, sys
s = socket.socket(17, 3, 0); s.bind(("eth0", 0x0800)); s.settimeout(float(3)); open("tapping", "w").close()
got = []
try:
    while len(got) < 3:
        f = s.recv(100)
        if f[23] == 17: got.append(("ttl", f[22], "to", socket.inet_ntoa(f[30:34]), "port", int.from_bytes(f[36:38], "big"), "df", f[20] >> 6 & 1))
except TimeoutError: pass
for g in got: print(*g)
END
ip netns exec tap python3 tap.py > tapped & T=$!
for i in $(seq 100); do [ -e tapping ] && break; sleep 0.1; done
for p in 9 10 11; do ip netns exec left bash -c "echo >/dev/udp/10.2.0.1/$p" ; sleep 0.1; done; echo > /dev/udp/10.2.0.1/12
wait $T; cat tapped
nft add rule ip t pre fwd to '"v3"' 2>&1 | head -1
nft add table inet i; nft add chain inet i c; nft add rule inet i c meta nfproto ipv4 dup to 10.3.0.1 2>&1 | head -1
nft flush ruleset
nft add table arp a; nft add chain arp a in '{ type filter hook input priority 0; }'
nft add rule arp a in ct state new 2>&1 | head -1
nft add table netdev n; nft add chain netdev n e '{ type filter hook egress device "v1" priority 0; }'
nft add rule netdev n e reject 2>&1 | head -1
nft add rule netdev n e ct state new 2>&1 | head -1
nft add rule netdev n e fib daddr type local accept; nft add rule netdev n e dup to '"v2"'
nft list chain netdev n e
