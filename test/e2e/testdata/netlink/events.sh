# What `ip monitor` hears.
ip link set lo up
ip monitor link address route rule > events 2>/dev/null &
sleep 0.5
ip link add d0 address 02:00:00:00:00:01 type veth peer name d1 address 02:00:00:00:00:02
ip link set d1 up
ip link set d0 up
sleep 0.2
ip addr add 10.1.0.1/24 dev d0
ip rule add to 5.5.5.5 prohibit
ip rule del to 5.5.5.5 prohibit
ip route add 10.9.0.0/16 via 10.1.0.2
ip route del 10.9.0.0/16
ip addr del 10.1.0.1/24 dev d0
sleep 0.5
kill %1
grep -E '10\.|5\.5' events | grep -v '^fe80\|ff00\|inet6' | sort
grep -c 'd[01]@d[01]' events > /dev/null && echo links
