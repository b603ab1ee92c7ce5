# The carrier of veths and bridges, and what follows from it for addresses and routes.
set -v
ip link set lo up
ip link add d0 address 02:00:00:00:00:01 type veth peer name d1 address 02:00:00:00:00:02
ip -o link
ip link set d0 up
sleep 0.3
ip -o link
ip -o addr show
ip -br link show d0
ip addr add 10.0.0.1/24 dev d0
ip addr add fd01::1/64 dev d0
ip -o addr
ip route
ip -6 route
ip -6 route show table local
ping -c1 -W1 10.0.0.2 | grep -v ms
ip link set d1 up
sleep 3
ip -o link
ip route
ip -6 route
ip -o addr
ip link set d1 down
sleep 0.3
ip -o link
ip route
ip -6 route
ip -o addr
ip link add br0 address 02:00:00:00:00:09 type bridge
ip -o link show br0
ip link set br0 up
sleep 0.2
ip -o link show br0
ip addr show br0
ip link set d0 master br0
sleep 0.2
ip -o link show br0
ip link set d1 up
sleep 3
ip -o link show br0
ip -o addr show br0
ip link set d0 nomaster
sleep 0.2
ip -o link show br0
sleep 0.2
ip link set d1 down
sleep 0.3
ip link set d0 down
ip -o link
