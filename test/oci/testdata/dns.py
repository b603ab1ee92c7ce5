# dns.py ADDRESS: a name server. A name that begins with "big" has so many addresses
# that they do not go into a datagram: asked by UDP it says so.
import socket, struct, sys, threading

A, HEAD = 1, 12


def answer(query, stream):
    end = HEAD
    while query[end]:
        end += query[end] + 1
    name, (kind,) = query[HEAD:end], struct.unpack(">H", query[end + 1:end + 3])
    question = query[HEAD:end + 5]
    big = name[1:4] == b"big"
    n = (200 if big else 1) if kind == A else 0
    if big and not stream:
        return query[:2] + b"\x87\x80\0\1" + bytes(6) + question
    records = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([10, 9, i >> 8, i & 255]) for i in range(1, n + 1))
    return query[:2] + b"\x85\x80\0\1" + struct.pack(">H", n) + bytes(4) + question + records


def converse(c):
    with c:
        while len(head := c.recv(2, socket.MSG_WAITALL)) == 2:
            a = answer(c.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL), True)
            c.sendall(struct.pack(">H", len(a)) + a)


def streams(l):
    while True:
        c, _ = l.accept()
        threading.Thread(target=converse, args=(c,), daemon=True).start()


at = sys.argv[1]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind((at, 53))
threading.Thread(target=streams, args=(socket.create_server((at, 53)),), daemon=True).start()
while True:
    query, who = u.recvfrom(4096)
    u.sendto(answer(query, False), who)
