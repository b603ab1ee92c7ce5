# What ethtool says of interfaces, by netlink and by ioctl, and what it changes. Features that
# are of Linux's alone (tunnels, VLAN tags) are left out.
set -v
ip link add v0 address 02:00:00:00:00:01 type veth peer name v1; ip link set v0 up; ip link set v1 up
ip link add br0 type bridge
ip link set lo up
for i in v0 lo br0; do
ethtool $i; ethtool -i $i; ethtool -P $i; ethtool -g $i; ethtool -c $i; ethtool -l $i | grep -v 'X:.*[12]'; ethtool -a $i; ethtool -T $i; ethtool -S $i | grep -v _queue_; ethtool -m $i; ethtool -n $i; ethtool -x $i; ethtool -d $i; ethtool -e $i; ethtool --show-eee $i; ethtool --show-fec $i; ethtool --show-priv-flags $i; ethtool --show-phys $i 2>&1 | head -1
ethtool -k $i | grep -E 'tx-checksum-ip-gen|tcp.*seg|tx-udp-seg|generic-seg|^scatter|^rx-checksumming: on|rx-(fcs|all)|hsr|macsec|vlan-chall' | sed 's/rx-checksumming: on .fixed.$/rx-checksumming: on/'
done
ethtool nope
change() { ethtool -K v0 $* 2>&1 | grep -v sctp; echo ${PIPESTATUS[0]};  feature; }
feature() { ethtool -k v0 | grep -E '^(tcp-seg|tx-checksumming|generic-seg)|tx-tcp6|tx-udp-seg'; }
ethtool --monitor v0 > events & M=$!
sleep 0.5
change tso off
change tx-tcp6-segmentation on
change tso on gso off
change tx off
change tx on gso on rx-fcs on
sleep 0.5; kill $M; wait $M; grep -cE '^(Features|Device)' events
change nothing on
ethtool -s v0 speed 100; ethtool -s v0 msglvl 1; ethtool -G v0 rx 3; ethtool -r v0; ethtool -p v0 1
ethtool -S v0 | head -2
# What is not left to the interface is done before it: no frame is larger than the MTU.
ip addr add 10.0.0.1/24 dev v0; ip netns add n; ip link set v1 netns n; ip -n n addr add 10.0.0.2/24 dev v1; ip -n n link set v1 up
cat > move.py <<'END'
import socket, subprocess, sys, threading
if len(sys.argv) > 1:
    l = socket.create_server(("10.0.0.2", 99)); print("ready", flush=True); c, _ = l.accept(); n = 0
    while b := c.recv(1 << 16): n += len(b)
    print(n); sys.exit()
p = subprocess.Popen(["ip", "netns", "exec", "n", sys.executable, sys.argv[0], "serve"], stdout=subprocess.PIPE, text=True); p.stdout.readline()
largest = 0
taps = socket.socket(17, 3, 0); taps.bind(("v0", 3)); taps.settimeout(0.5)
s = socket.create_connection(("10.0.0.2", 99))
def listen():
    global largest
    try:
        while True: largest = max(largest, len(taps.recv(1 << 17)))
    except TimeoutError: pass
t = threading.Thread(target=listen); t.start(); s.sendall(b"x" * 300000); s.close(); t.join(); print(p.stdout.read().strip(), "bytes; cut:", largest <= 1514)
END
for n in `seq 100`; do ip link show v0 | grep -q "state UP" && break; sleep 0.1; done
python3 move.py
change tso off
python3 move.py
change tx off
python3 move.py
