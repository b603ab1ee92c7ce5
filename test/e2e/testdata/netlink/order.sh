# The order in which addresses are told.
set -v
ip link set lo up
ip link add d0 type veth peer name d1; ip link set d1 up; ip link set d0 up; sleep 0.5
ip addr add 10.1.0.1/24 dev d0
ip addr add 10.2.0.1/24 dev d0 scope link
ip addr add 10.3.0.1/24 dev d0 scope host
ip addr add 10.1.0.2/24 dev d0
ip addr add 10.4.0.1/24 dev d0
ip addr add 10.2.0.2/24 dev d0 scope link
ip addr add 10.1.0.3/25 dev d0
ip addr add 10.5.0.1/32 dev d0
ip -4 -o addr | sed 's/valid.*//'
ip addr del 10.1.0.1/24 dev d0
ip -4 -o addr | sed 's/valid.*//'
sysctl -qw net.ipv4.conf.d0.promote_secondaries=1
ip addr add 10.4.0.2/24 dev d0
ip addr add 10.4.0.3/24 dev d0
ip addr del 10.4.0.1/24 dev d0
ip -4 -o addr | sed 's/valid.*//'
for i in 1 2 3; do ip addr add fd0$i::1/64 dev d0 nodad; done
ip addr add fe80::77/64 dev d0 nodad
ip -6 -o addr show d0 | grep -v fe80::.*ff:fe
ip addr add 10.4.0.9/24 dev d0 scope link
ip link set d0 down; ip link set d0 up
ip -o link | cut -d: -f1,2
ip link add e0 type veth peer name e1; ip link del e0; ip link add e0 type veth peer name e1
ip -o link | cut -d: -f1,2
