package tap

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/header"
	"hull/netstack/link"
)

type sink chan *buffer.Packet

func (s sink) Deliver(ps []*buffer.Packet) {
	for _, p := range ps {
		s <- p
	}
}

func (sink) LinkChanged(bool, int) {}

// Linux's stack is on the other side of a TUN device: a datagram each way, cut and
// summed by who receives it.
func TestTUN(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("makes a network interface: needs root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	fd, o, err := Open("hulltest0", true)
	if err != nil {
		t.Fatal(err)
	}
	pool := &buffer.Pool{}
	e, err := New(Config{FD: fd, Pool: pool, MTU: 1500, Raw: true, Offload: o})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := make(sink, 64)
	e.Attach(s)
	for _, line := range []string{"addr add 10.8.0.2/24 dev hulltest0", "link set hulltest0 up"} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	here, there := netip.MustParseAddr("10.8.0.1"), netip.MustParseAddr("10.8.0.2")
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: there.AsSlice(), Port: 7002})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data := bytes.Repeat([]byte("0123456789"), 500)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo(data, &net.UDPAddr{IP: here.AsSlice(), Port: 7001}); err != nil {
		t.Fatal(err)
	}
	const headers = header.IPv4MinSize + header.UDPSize
	got := 0
	for got < len(data) {
		select {
		case p := <-s:
			b := make([]byte, p.Len())
			p.CopyTo(b, 0)
			if b[0]>>4 != 4 || b[9] != byte(header.ProtocolUDP) {
				p.Release()
				continue
			}
			if o&link.USO != 0 && p.GSO != (buffer.GSO{Size: 1000, Type: buffer.GSOUDP}) {
				t.Errorf("GSO = %+v", p.GSO)
			}
			if !bytes.Equal(b[headers:], data[got:got+len(b)-headers]) {
				t.Error("the bytes differ")
			}
			got += len(b) - headers
			p.Release()
		case <-time.After(10 * time.Second):
			t.Fatalf("timed out with %d bytes", got)
		}
	}
	p := pool.NewPacket(pool.CopyIn(data[:100])...)
	u := header.UDP(p.Prepend(header.UDPSize))
	u.Encode(header.UDPFields{SrcPort: 7001, DstPort: 7002, Length: 108})
	u.SetChecksum(header.PseudoHeader(header.ProtocolUDP, here, there, 108))
	header.IPv4(p.Prepend(header.IPv4MinSize)).Encode(header.IPv4Fields{TotalLen: 128, TTL: 9, Protocol: header.ProtocolUDP, Src: here, Dst: there})
	p.Checksum, p.ChecksumStart, p.ChecksumOffset = buffer.ChecksumPartial, header.IPv4MinSize, header.UDPChecksumOffset
	if n, err := e.Send([]*buffer.Packet{p}); n != 1 || err != nil {
		t.Fatalf("Send = %d, %v", n, err)
	}
	b := make([]byte, 200)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, _, err := c.ReadFrom(b); err != nil || !bytes.Equal(b[:n], data[:100]) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
