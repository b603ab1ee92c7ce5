# Numbers of namespaces, and what a link says whose other end is in another one.
set -v
ip netns list-id
ip netns add a; ip netns add b; ip netns add c
ip netns list-id
ip netns set a 5
ip netns set a 6
ip netns set b 5
ip netns set nope 7
ip netns list | sort
ip netns list-id
ip netns list-id nsid 5
ip netns list-id nsid 9
ip netns set b auto
ip netns list | sort
ip -n a netns list-id
ip link add v0 address 02:00:00:00:00:01 type veth peer name eth0 netns a address 02:00:00:00:00:02
ip link add v1 address 02:00:00:00:00:03 type veth peer name eth0 netns c address 02:00:00:00:00:04
ip -o link show v0
ip -o link show v1
ip -o -n a link show eth0
ip -o -n c link show eth0
ip netns list-id
ip -n a netns list-id
ip netns list-id target-nsid 5
ip -n a netns list-id target-nsid 0
ip link set v0 up; sleep 0.5
ip -o link show v0
ip -o addr show v0
ip -n a link set eth0 up
for n in `seq 100`; do ip link show v0 | grep -q "state UP" && break; sleep 0.1; done
ip -o link show v0
ip -o -n a link show eth0
ip netns del b
for n in `seq 100`; do ip netns list-id | grep -q "nsid 0 " || break; sleep 0.1; done
ip netns list-id
ip netns del c
for n in `seq 100`; do ip -o link show v1 2>/dev/null | grep -q . || break; sleep 0.1; done
ip -o link show v1
ip netns list-id
ip netns list | sort
# What `ip monitor` hears of other namespaces that have a number here.
ip netns add d
ip monitor nsid address all-nsid > events 2>/dev/null & M=$!
sleep 0.5
ip netns set d 7
ip -n d addr add 10.7.0.1/24 dev lo
ip netns del d
for n in `seq 100`; do grep -q Deleted events && break; sleep 0.1; done
kill $M; wait $M 2>/dev/null; sed 's/valid_lft.*//' events
