# What the kernel's own tests look at and programs seldom do.
set -v
ip link set lo up
ip netns add a; ip netns add b
ip link add eth0 netns a type veth peer name eth0 netns b
for n in a b; do ip -n $n link set lo up; ip -n $n link set eth0 up; done
# IPv4 by way of a router that has IPv6 only, which answers with RFC 7600's address.
ip -n a addr add 172.16.0.1/32 dev eth0; ip -n a addr add 2001:db8:1::1/64 dev eth0 nodad; ip -n b addr add 2001:db8:1::2/64 dev eth0 nodad
ip -n a route add 172.16.1.0/24 via inet6 2001:db8:1::2; ip -n b route add 172.16.0.0/24 via inet6 2001:db8:1::1
ip netns exec b sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.ip_forward=1
ip -n a route; ip -n b route get 172.16.0.1
for n in `seq 50`; do ip netns exec a ping -c 1 -W 2 172.16.1.1 | grep -q From && break; sleep 0.1; done
ip netns exec a ping -c 2 -i 0.2 -W 2 172.16.1.1 | grep From
# Addresses of 0.0.0.0/8 and 240.0.0.0/4 are addresses.
for net in 0.1.2 240.1.2; do ip -n a addr add $net.1/24 dev eth0; ip -n b addr add $net.2/24 dev eth0; ip netns exec a ping -c 1 -W 2 $net.2 | grep received | cut -d, -f1-3; done
# Without a rule of somebody's the local table and the main one are one.
python3 - <<'END'
import os, socket
r = socket.socket(2, 2); r.bind(("127.0.0.3", 99)); r.settimeout(3)
def mtu():
    s = socket.socket(2, 2); s.connect(("127.0.0.3", 99)); s.send(b"x"); r.recv(10); return s.getsockopt(0, 14)
print(mtu()); os.system("ip route add 127.0.0.3/32 dev lo mtu 1500"); print(mtu()); os.system("ip rule add pref 5 lookup 7"); print(mtu())
END
# A port that is taken can be had by who connects with it, if nothing else is free.
sysctl -qw net.ipv4.ip_local_port_range="32768 32768" net.ipv4.ip_autobind_reuse=1
python3 - <<'END'
import socket
for options in ((0, 0), (1, 0), (1, 1)):
    held = []
    for other in range(2):
        s = socket.socket(); s.setsockopt(1, 2, options[0]); s.setsockopt(1, 15, options[1])
        try: s.bind(("127.0.0.1", 0)); held.append("bound")
        except OSError as e: held.append(e.errno)
        if other == 0: first = s
    print(options, held); first.close(); s.close()
END
for f in ipv4 ipv6; do echo 1 > /proc/sys/net/$f/route/flush; echo $?; ls -l /proc/sys/net/$f/route/flush | cut -c1-10; done
sysctl net.netfilter.nf_conntrack_frag6_timeout net.netfilter.nf_conntrack_frag6_high_thresh
ip tcp_metrics show; ip tcp_metrics flush; ip tcp_metrics delete 10.0.0.1
python3 - <<'END'
import fcntl, socket, struct
s = socket.socket(2, 2)
for cmd in (0x89b0, 0x89b1):
    for name in (b"lo", b"nope"):
        try: print(fcntl.ioctl(s, cmd, struct.pack("16sQ", name, 0)))
        except OSError as e: print(e)
END
