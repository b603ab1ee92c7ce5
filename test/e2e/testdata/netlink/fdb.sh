# What a bridge knows of addresses.
set -v
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link add br0 type bridge; ip link set br0 up
ip link add v1 address 02:00:00:00:00:01 type veth peer name w1 address 02:00:00:00:01:01
ip link add v2 address 02:00:00:00:00:02 type veth peer name w2 address 02:00:00:00:01:02
for i in v1 v2; do ip link set $i master br0 up; done
ip link set w1 up; ip link set w2 up
ip link set br0 address 02:00:00:00:00:01
bridge fdb add 02:00:00:00:00:55 dev v1 master static
bridge fdb add 02:00:00:00:00:55 dev v2 master static
bridge fdb replace 02:00:00:00:00:55 dev v2 master static
bridge fdb add 02:00:00:00:00:56 dev v1 master
bridge fdb add 02:00:00:00:00:57 dev v1 master dynamic
bridge fdb add 02:00:00:00:00:57 dev w1 master
bridge fdb add 01:00:00:00:00:57 dev v1 master
bridge fdb show | grep master | sort
bridge fdb show br br0 | grep master | sort
bridge fdb show dev v1 | grep master | sort
bridge fdb show dev w1 | grep master | sort
bridge fdb del 02:00:00:00:00:55 dev v1 master
bridge fdb del 02:00:00:00:00:55 dev v2 master
bridge fdb del 02:00:00:00:00:55 dev v2 master
bridge fdb show br br0 | grep master | sort
ip link set v1 nomaster
bridge fdb show br br0 | grep master | sort
