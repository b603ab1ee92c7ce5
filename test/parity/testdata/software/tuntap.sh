# TUN and TAP devices by iproute2, and a program that answers pings through one. It
# runs in a network and a mount namespace of its own.
set -e
mount -t sysfs sysfs /sys
mount -t tmpfs none /dev
mkdir /dev/net
mknod /dev/null c 1 3
mknod /dev/net/tun c 10 200
ip link set lo up
ip tuntap add dev t0 mode tun user 1000
ip tuntap add dev p0 mode tap multi_queue
ip tuntap show
ip -o link show type tun | sed 's/ether .*//'
ip addr add 10.9.0.1/24 dev t0
ip link set t0 up
ip -4 -o addr show t0
cat /sys/class/net/t0/tun_flags /sys/class/net/t0/owner /sys/class/net/t0/group
ip -d -o link show p0 | grep -o 'tun type.*persist [a-z]*'
ip link add p1 type tun 2>&1 | head -1
python3 - <<'P'
import fcntl, os, struct, subprocess, threading

TUNSETIFF, IFF_TUN, IFF_NO_PI, ECHO_REPLY = 0x400454CA, 1, 0x1000, 0


def checksum(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    s = (s & 0xFFFF) + (s >> 16)
    return ~(s + (s >> 16)) & 0xFFFF


def answer(fd):
    while True:
        b = bytearray(os.read(fd, 2000))
        if b[0] >> 4 != 4 or b[9] != 1:
            continue
        b[12:16], b[16:20] = b[16:20], b[12:16]
        b[20], b[22:24] = ECHO_REPLY, b"\0\0"
        b[22:24] = struct.pack("!H", checksum(bytes(b[20:])))
        os.write(fd, b)


fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"t0", IFF_TUN | IFF_NO_PI))
threading.Thread(target=answer, args=(fd,), daemon=True).start()
ping = subprocess.run(["ping", "-c", "3", "-i", "0.2", "-W", "5", "10.9.0.7"], capture_output=True, text=True)
print(ping.stdout.split("statistics ---")[1].split(", time")[0], ping.stderr)
P
ip link del t0
ip tuntap del dev p0 mode tap multi_queue
ip tuntap show
ip -o link | wc -l
