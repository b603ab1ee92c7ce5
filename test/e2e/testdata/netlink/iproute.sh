# Links, addresses, routes, rules and neighbours, and the words of what is refused.
set -v
ip link set lo up
ip link add d0 address 02:00:00:00:00:01 type veth peer name d1 address 02:00:00:00:00:02
ip route add 10.0.0.0/8 dev d0
ip -o link show d0
ip link set d1 up
ip link set d0 up
# The host may tell the carrier a moment late.
for n in `seq 100`; do ip link show d0 | grep -q "state UP" && break; sleep 0.1; done
ip -o link show
ip link set d0 mtu 1400 txqueuelen 77 alias "the first"
ip link show d0
ip addr add 10.1.0.1/24 brd + dev d0
ip addr add 10.1.0.1/24 dev d0
ip addr add 10.1.0.77/24 dev d0
ip -4 addr show d0 | sed 's/[0-9]*sec/Nsec/'
ip addr del 1.2.3.4/24 dev d0
ip addr add 10.5.0.1 peer 10.5.0.2/32 dev d0 label d0:x scope link
ip addr show label d0:x
ip addr del 10.5.0.1 dev d0
ip addr add 10.6.0.1/24 dev d0 valid_lft 1000 preferred_lft 0
ip addr show to 10.6.0.1 | sed 's/[0-9]*sec/Nsec/'
ip addr del 10.6.0.1/24 dev d0
ip -4 -o addr show
ip route add 10.9.0.0/16 via 1.2.3.4
ip route add 10.9.0.1/16 dev d0
ip route add 10.9.0.0/16 via 10.1.0.2
ip route add 10.9.0.0/16 via 10.1.0.2
ip route add 10.9.0.0/16 via 10.1.0.3 metric 7
ip route append 10.9.0.0/16 via 10.1.0.4 metric 7
ip route replace 10.9.0.0/16 via 10.1.0.9
ip route add unreachable 10.99.0.0/16
ip route add blackhole 10.98.0.0/16
ip route add prohibit 10.97.0.0/16
ip route add throw 10.96.0.0/16
ip route add default via 10.1.0.2 proto static
ip route add 10.10.0.0/16 nexthop via 10.1.0.2 weight 2 nexthop via 10.1.0.3
ip route add 10.20.0.0/16 dev d0 mtu 1300 advmss 1000 proto static metric 5 src 10.1.0.1
ip route add 10.21.0.0/16 via 10.77.0.1 dev d0 onlink
ip route add 1.0.0.0/8 dev d0 src 9.9.9.9
ip route add 10.30.0.0/16 dev nope
ip route add 10.40.0.0/16 via 10.1.0.2 table 100
ip route
ip route show table 100
ip route show table 101
ip -4 route show table local
ip route show 10.20.0.0/16
ip route show proto static
ip route show dev d0 10.9.0.0/16
ip route get 10.20.0.1
ip route get 10.9.5.5
ip route get 10.20.0.1 mark 3
ip route get 127.0.0.1
ip route get 10.1.0.1
ip route get 10.1.0.255
ip route get 10.99.0.1
ip route get 10.97.0.1
ip route del 10.20.0.0/16 dev lo
ip route del 10.20.0.0/16 metric 6
ip route del 10.20.0.0/16
ip route del 77.0.0.0/8
ip route del 10.9.0.0/16 via 10.1.0.3
ip route flush table 100
ip route flush 10.9.0.0/16
ip route
ip rule add from 1.2.3.0/24 fwmark 5 lookup 100
ip rule add to 5.5.5.5 prohibit
ip rule add iif d0 oif nope ipproto tcp dport 80-90 sport 7 uidrange 1-5 tos 0x10 lookup main suppress_prefixlength 0 pref 77
ip rule add not from 9.0.0.0/8 goto 32766 pref 50
ip rule
ip rule add from 1.2.3.0/24 fwmark 5 lookup 100 pref 32765
ip rule del pref 77
ip rule del pref 77
ip rule del from 1.2.3.0/24
ip rule
ip -6 rule
ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev d0
ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev d0
ip neigh replace 10.1.0.9 lladdr 02:00:00:00:00:0a dev d0 nud stale
ip neigh add 10.1.0.8 dev d0
ip neigh show 10.1.0.9
ip neigh get 10.1.0.9 dev d0
ip neigh del 10.1.0.77 dev d0
ip neigh del 10.1.0.9 dev d0
ip neigh show nud permanent
ip link del lo
ip link set d0 mtu 30
ip link set d0 mtu 100000
ip link set d0 name d1
ip link set nope up
ip link add d0 type veth
ip link add x type foo
ip link set d0 master d1
ip link set d0 address 01:00:00:00:00:00
ip link set d0 down
ip link set d0 name first
ip -o link show first | sed 's/qdisc [a-z]*//'
ip route
tc qdisc show dev d1
ip link del first
ip -o link
ip addr show dev d1
