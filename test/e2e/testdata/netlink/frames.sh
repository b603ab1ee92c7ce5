# Tables of the families netdev, bridge and arp, and what passes them.
set -v
ip netns add left; ip netns add right
ip link add br0 type bridge; ip link set br0 up address 02:00:00:00:00:09; ip addr add 10.9.0.9/24 dev br0
for i in left:1 right:2; do n=${i%:*} k=${i#*:}
ip link add v$k address 02:00:00:00:01:0$k type veth peer name eth0 netns $n address 02:00:00:00:00:0$k
ip link set v$k master br0 up
ip -n $n addr add 10.9.0.$k/24 dev eth0; ip -n $n link set eth0 up
done
for n in left right; do for k in 1 2 9; do ip netns exec $n sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1; ip -n $n neigh replace 10.9.0.$k lladdr 02:00:00:00:00:0$k dev eth0 2>&- ; done; done
ip neigh replace 10.9.0.1 lladdr 02:00:00:00:00:01 dev br0; ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev br0
sysctl -qw net.ipv6.conf.br0.disable_ipv6=1 net.ipv6.conf.v1.disable_ipv6=1 net.ipv6.conf.v2.disable_ipv6=1
# The bridge learns where both are: it would flood both ways.
for n in left right; do ip netns exec $n bash -c 'echo >/dev/udp/10.9.0.9/99'; done
nft -f - <<'END'
table netdev n {
	set bad { type ipv4_addr; elements = { 10.9.0.77 } }
	chain in {
		type filter hook ingress device "v1" priority -500; policy accept;
		ip saddr @bad drop
		udp dport 7 counter drop
		ether type arp counter
		meta mark set 7
	}
}
table bridge b {
	chain pre { type filter hook prerouting priority -300; ether saddr 02:00:00:00:00:01 ip protocol udp counter; }
	chain pass {
		type filter hook forward priority filter; policy drop;
		iifname "v1" oifname "v2" ip daddr 10.9.0.2 udp dport { 8, 9 } counter accept
		ether type arp accept
		iifname "v2" meta mark 0 accept
		vlan id 5 accept
	}
	chain in { type filter hook input priority 0; udp dport 10 drop; }
	chain out { type filter hook output priority 0; udp dport 11 counter drop; }
	chain post { type filter hook postrouting priority 0; oifname "v2" udp dport 9 counter; }
}
table arp a {
	chain in { type filter hook input priority 0; arp operation request arp saddr ip 10.9.0.66 drop; }
	chain out { type filter hook output priority 0; arp operation reply counter; }
}
END
nft list table netdev n
nft list table bridge b
nft list table arp a
cat > peer.py <<'END'
import socket, sys, time
who, *todo = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if who == "get":
    socks = []
    for p in map(int, todo):
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", p)); u.settimeout(20); socks.append(u)
    open("ready" + todo[0], "w").close()
    for u in reversed(socks): # what is sent last arrives last
        try: print(u.getsockname()[1], u.recv(100))
        except OSError: print(u.getsockname()[1], "nothing")
        for o in socks: o.setblocking(False)
else:
    for a in todo:
        ip, p = a.split(":")
        s.sendto(b"hello", (ip, int(p)))
END
until_ready() { for i in $(seq 50); do [ -e ready$1 ] && break; sleep 0.1; done; }
ip netns exec right python3 peer.py get 7 8 6 11 9 > right.out & R=$!
python3 peer.py get 10 12 > own.out & O=$!
until_ready 7; until_ready 10
python3 peer.py put 10.9.0.2:11
ip netns exec left python3 peer.py put 10.9.0.2:7 10.9.0.2:8 10.9.0.2:6 10.9.0.9:10 10.9.0.9:12 10.9.0.2:9
wait $R $O
cat right.out own.out
nft list table netdev n | grep counter
nft list table bridge b | grep counter
nft add chain netdev n e '{ type filter hook egress device "v2" priority 0; policy drop; }'
nft add rule netdev n e udp dport 9 accept
nft list chain netdev n e
rm ready*; ip netns exec right python3 peer.py get 8 9 > right.out & R=$!
until_ready 8
ip netns exec left python3 peer.py put 10.9.0.2:8 10.9.0.2:9
wait $R; cat right.out
nft add chain netdev n x '{ type filter hook ingress device "none" priority 0; }' 2>&1 | head -1
nft add chain netdev n x '{ type filter hook ingress priority 0; }' 2>&1 | head -1
nft add chain arp a x '{ type filter hook forward priority 0; }' 2>&1 | head -1
nft add chain bridge b x '{ type nat hook prerouting priority 0; }' 2>&1 | head -1
nft add rule netdev n in masquerade 2>&1 | head -1
nft add table inet i
nft add chain inet i in '{ type filter hook ingress device "v1" priority 0; }'
nft list table inet i
nft flush ruleset; nft list ruleset
