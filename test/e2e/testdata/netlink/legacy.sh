# iptables-legacy and ip6tables-legacy: tables as a whole, by socket options.
set -v
iptables-legacy -A INPUT -p tcp --dport 22 -m state --state NEW -j ACCEPT
iptables-legacy -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-legacy -A INPUT -p icmp --icmp-type echo-request -m limit --limit 5/s -j ACCEPT
iptables-legacy -A INPUT -p udp -m multiport --dports 53,67:68 -m comment --comment hi -j RETURN
iptables-legacy -A INPUT -m mark --mark 5/7 -j LOG --log-prefix "x "
iptables-legacy -A INPUT -p tcp --syn -m tcp ! --sport 1:10 -j REJECT --reject-with tcp-reset
iptables-legacy -A INPUT -j REJECT
iptables-legacy -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
iptables-legacy -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.1:80
iptables-legacy -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 8080
iptables-legacy -t nat -A POSTROUTING -p tcp -j SNAT --to-source 1.2.3.4-1.2.3.6:1000-2000
iptables-legacy -t mangle -A PREROUTING -j MARK --set-xmark 0x1/0xff
iptables-legacy -t mangle -A PREROUTING -j CONNMARK --save-mark
iptables-legacy -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
iptables-legacy -A OUTPUT -m owner --uid-owner 0 -j ACCEPT
iptables-legacy -A OUTPUT -d 127.0.0.11 -p udp --dport 53 -j DROP
iptables-legacy -t raw -A PREROUTING -p udp -j CT --notrack
iptables-legacy -A INPUT -m statistic --mode random --probability 0.5 -j DROP
iptables-legacy -A INPUT -m iprange --src-range 1.2.3.4-1.2.3.9 -j DROP
iptables-legacy -A INPUT -m tcp -p tcp -m connmark --mark 1 -j DROP
iptables-legacy -A INPUT -m pkttype --pkt-type broadcast -j DROP
iptables-legacy -A INPUT -m ttl --ttl-lt 5 -j DROP
iptables-legacy -A INPUT -m length --length 100:200 -j DROP
iptables-legacy -A INPUT -m mac --mac-source 02:00:00:00:00:01 -j DROP
ip6tables-legacy -A INPUT -p icmpv6 --icmpv6-type echo-request -j ACCEPT
ip6tables-legacy -A INPUT -j REJECT
ip6tables-legacy -t nat -A POSTROUTING -j MASQUERADE
iptables-legacy -S
iptables-legacy -t nat -S
iptables-legacy -L -n -v
iptables-legacy -t mangle -S
iptables-legacy -t raw -S
ip6tables-legacy -S
ip6tables-legacy -t nat -S
iptables-legacy-save | grep -v '^#'
iptables-legacy -D INPUT 1
iptables-legacy -N foo
iptables-legacy -A foo -j RETURN
iptables-legacy -I INPUT 2 -j foo
iptables-legacy -X foo
iptables-legacy -P FORWARD DROP
iptables-legacy -S
 iptables-legacy -F
iptables-legacy -X
iptables-legacy -Z
iptables-legacy -S
iptables-legacy -C INPUT -j ACCEPT
iptables-legacy -A INPUT -m nosuchmatch -j ACCEPT 2>&1 | head -1
iptables-legacy -j NOSUCH -A INPUT 2>&1 | head -1
iptables-legacy -t none -S
iptables-legacy -N a; iptables-legacy -N b
iptables-legacy -A a -j b; iptables-legacy -A b -j a; iptables-legacy -A INPUT -j a
iptables-legacy -F; iptables-legacy -X
iptables-legacy -t nat -F; iptables-legacy -t raw -F; iptables-legacy -t mangle -F
sort /proc/net/ip_tables_names
# What is saved can be restored, counters too.
iptables-legacy -A INPUT -p tcp --dport 99 -g LOOP 2>&1
iptables-legacy -N LOOP
iptables-legacy -A LOOP -s 127.0.0.0/8 ! -d 127.0.0.9 -j RETURN
iptables-legacy -A INPUT -i lo -p udp --dport 99 -g LOOP
iptables-legacy -A INPUT ! -i l+ -p udp -j DROP
iptables-legacy -A OUTPUT -o lo -p udp --dport 98 -j REJECT
iptables-legacy -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 8080
ip link set lo up
send() { python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for a in sys.argv[2:]:
    try: print(s.sendto(b"x" * 72, (a, int(sys.argv[1]))))
    except OSError as e: print(e)' "$@"; }
send 99 127.0.0.1 127.0.0.9 127.0.0.1
send 98 127.0.0.1
python3 - <<'END'
import socket, struct
l = socket.create_server(("127.0.0.1", 8080))
c = socket.create_connection(("127.0.0.1", 80))
a, _ = l.accept()
port, ip = struct.unpack("!2xH4s8x", a.getsockopt(socket.SOL_IP, 80, 16))
print(port, socket.inet_ntoa(ip))
END
iptables-legacy -L -n -v -x | sed -E '/^Chain (IN|OUT)PUT/s/[0-9]+ packets, [0-9]+ bytes/N/'
iptables-legacy -t nat -L OUTPUT -n -v -x
iptables-legacy-save -c | grep -v '^#' | sed -E '/^:(PRE|IN|OUT|POST)/s/\[.*/[7:700]/' > saved
iptables-legacy -F; iptables-legacy -X; iptables-legacy -t nat -F
iptables-legacy-restore -c < saved
iptables-legacy-save -c | grep -v '^#' > again
diff saved again && echo the same
iptables-legacy -Z INPUT 1
iptables-legacy -L INPUT -n -v -x
nft list ruleset
