# Processes that speak to each other by netlink.
cat > user.py <<'END'
import socket, struct, errno
def nl(proto=2):
    s=socket.socket(16,3,proto); s.settimeout(5); return s
def t(name,f):
    try: print(name, f())
    except OSError as e: print(name, errno.errorcode.get(e.errno,e))
a,b,c=nl(),nl(),nl()
a.bind((1001,0)); b.bind((1002,1)); c.bind((0,4))
t("to", lambda: a.sendto(b"hello",(1002,0)))
t("recv", lambda: b.recvfrom(100))
t("nobody", lambda: a.sendto(b"x",(7777,0)))
t("kernel", lambda: a.sendto(b"x",(0,0)))
t("group", lambda: a.sendto(b"many",(0,1)))
t("recv", lambda: b.recvfrom(100))
t("group and port", lambda: a.sendto(b"both",(1002,4)))
t("recv", lambda: b.recvfrom(100)); t("recv", lambda: c.recvfrom(100))
b.connect((1001,0)); t("send", lambda: b.send(b"back")); t("recv", lambda: a.recvfrom(100))
t("taken", lambda: nl().bind((1001,0)))
for i in (33,64): t("join %d"%i, lambda: c.setsockopt(270,1,i))
t("empty", lambda: a.sendto(b"",(1002,0)))
t("route group", lambda: nl(0).sendto(struct.pack("IHHII",20,18,1|4,1,0)+b"\0"*4,(0,1)))
r=nl(0); r.bind((0,0)); t("both", lambda: r.sendto(struct.pack("IHHII",20,18,0x301,1,0)+b"\0"*4,(0,1))); t("answer", lambda: struct.unpack("IH",r.recv(65536)[:6])[1])
print(sorted(l.split()[1] for l in open("/proc/net/netlink").readlines()[1:] if l.split()[1]=="2"))
import os
os.setuid(12345)
d=nl(); t("as nobody", lambda: d.sendto(b"n",(1002,0))); t("listen", lambda: d.bind((0,1))); t("join", lambda: d.setsockopt(270,1,1))
END
python3 user.py
