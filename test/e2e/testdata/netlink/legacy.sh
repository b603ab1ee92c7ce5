# iptables-legacy and ip6tables-legacy: tables as a whole, by socket options.
set -v
kind=legacy
. $data/iptables.rules
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
