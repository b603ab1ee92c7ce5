package net

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hull/netstack/header"
)

// findings is what tshark says of the frames of ours in a capture.
type findings struct {
	tcp      int // segments
	again    int // of them, those with bytes that were sent before
	spurious int // of them, those with bytes that had been acknowledged
	// wrong is the frames that are malformed, or have a checksum that is not right,
	// up to a few; bad is how many there are.
	wrong []string
	bad   int
}

// look has tshark read a capture.
func look(t *testing.T, file string) findings {
	t.Helper()
	sums := []string{"ip", "tcp", "udp", "icmp", "icmpv6", "igmp"}
	args := []string{"-n", "-r", file, "-Y", "eth.src == 02:00:00:00:00:01", "-T", "fields", "-E", "separator=|"}
	// What is above is data: bytes at random may look like anything.
	args = append(args, "-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data")
	for _, p := range []string{"ip", "tcp", "udp"} { // those of the others are always checked
		args = append(args, "-o", p+".check_checksum:TRUE")
	}
	for _, f := range []string{"tcp.len", "_ws.expert.group", "_ws.expert.severity", "_ws.expert.message", "tcp.analysis.retransmission", "tcp.analysis.spurious_retransmission"} {
		args = append(args, "-e", f)
	}
	for _, p := range sums {
		args = append(args, "-e", p+".checksum.status")
	}
	c := exec.Command("tshark", append(args, "-e", "_ws.col.Info")...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, errs.String())
	}
	// Of tshark's epan/proto.h and tfs.h.
	const good, malformed, protocol, isError = "1", "117440512", "150994944", "8388608"
	var f findings
	for line := range strings.Lines(string(out)) {
		col := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 6+len(sums)+1)
		if len(col) != 6+len(sums)+1 {
			t.Fatalf("tshark says %q", line)
		}
		for i, n := range []*int{&f.tcp, nil, nil, nil, &f.again, &f.spurious} {
			if n != nil && col[i] != "" {
				*n++
			}
		}
		wrong := ""
		if strings.Contains(col[1], malformed) || strings.Contains(col[1], protocol) || strings.Contains(col[2], isError) || strings.Contains(col[3], "option length") {
			wrong = "malformed: " + col[3]
		}
		for i, p := range sums {
			// What was not verified counts as wrong: nothing of ours is cut, and what the
			// link would fill in is. More than one are of packets in packets.
			if s, _, more := strings.Cut(col[6+i], ","); s != "" && s != good && !more {
				wrong += " " + p + " checksum: " + s
			}
		}
		if wrong == "" {
			continue
		}
		if f.bad++; len(f.wrong) < 5 {
			f.wrong = append(f.wrong, wrong+": "+col[6+len(sums)])
		}
	}
	return f
}

// clean asks that tshark finds nothing wrong with what we sent, and no storm of
// retransmissions: of segments that had arrived, no more than a part.
func (w *world) clean(t *testing.T, part float64) findings {
	t.Helper()
	f := look(t, w.file)
	if f.tcp == 0 {
		t.Error("nothing of ours passed")
	}
	for _, e := range f.check(part) {
		t.Error(e)
	}
	return f
}

// check is what clean complains of.
func (f *findings) check(part float64) (es []string) {
	if f.bad > 0 {
		es = append(es, fmt.Sprintf("%d frames of ours are wrong, such as\n%s", f.bad, strings.Join(f.wrong, "\n")))
	}
	if most := 10 + int(part*float64(f.tcp)); f.spurious > most {
		es = append(es, fmt.Sprintf("%d of our %d segments had arrived before, more than %d", f.spurious, f.tcp, most))
	}
	return es
}

// TestWitness: what clean is for it does find. A capture is written with one thing
// wrong in it, or nothing.
func TestWitness(t *testing.T) {
	segment := func(seq uint32, flags header.TCPFlags, spoil func(b []byte), mend bool) []byte {
		src, dst := netip.MustParseAddr(ours4), netip.MustParseAddr(linux4)
		b := make([]byte, 14+20+24+100)
		header.Ethernet(b).Encode(header.EthernetFields{Src: [6]byte{2, 0, 0, 0, 0, 1}, Dst: [6]byte{2, 0, 0, 0, 0, 2}, Type: header.EtherTypeIPv4})
		h := header.TCP(b[34:])
		h.Encode(header.TCPFields{SrcPort: 5000, DstPort: 80, Seq: seq, Ack: 1, Flags: flags, Window: 1000})
		b[46] = 6 << 4
		copy(b[54:], []byte{0, 0, 0, 0}) // the end of the options
		if spoil != nil && mend {
			spoil(b)
		}
		h.SetChecksum(^header.Checksum(b[34:], header.PseudoHeader(header.ProtocolTCP, src, dst, len(b)-34)))
		header.IPv4(b[14:]).Encode(header.IPv4Fields{TotalLen: uint16(len(b) - 14), TTL: 64, Protocol: header.ProtocolTCP, Src: src, Dst: dst})
		if spoil != nil && !mend {
			spoil(b)
		}
		return b
	}
	datagram := func(proto header.Protocol, payload []byte) []byte {
		b := append(make([]byte, 34), payload...)
		header.Ethernet(b).Encode(header.EthernetFields{Src: [6]byte{2, 0, 0, 0, 0, 1}, Dst: [6]byte{2, 0, 0, 0, 0, 2}, Type: header.EtherTypeIPv4})
		header.IPv4(b[14:]).Encode(header.IPv4Fields{TotalLen: uint16(len(b) - 14), TTL: 64, Protocol: proto, Src: netip.MustParseAddr(ours4), Dst: netip.MustParseAddr(linux4)})
		return b
	}
	answer := func(ack uint32) []byte { // of Linux's
		b := segment(1, header.ACK, nil, false)
		copy(b[6:12], []byte{2, 0, 0, 0, 0, 2})
		copy(b[26:34], append(netip.MustParseAddr(linux4).AsSlice(), netip.MustParseAddr(ours4).AsSlice()...))
		copy(b[34:38], []byte{0, 80, 5000 >> 8, 5000 & 0xff})
		binary.BigEndian.PutUint32(b[42:], ack)
		return b
	}
	same := func(b []byte, n int) (bs [][]byte) {
		for range n {
			bs = append(bs, b)
		}
		return bs
	}
	good := segment(1, header.ACK, nil, false)
	for name, c := range map[string]struct {
		frames [][]byte
		want   string // of the complaint
	}{
		"nothing":                    {[][]byte{good, segment(101, header.ACK, nil, false), answer(201)}, ""},
		"a few sent again":           {append([][]byte{good, answer(101)}, same(good, 10)...), ""},
		"a storm":                    {append([][]byte{good, answer(101)}, same(good, 30)...), "had arrived before"},
		"a checksum of TCP":          {[][]byte{segment(1, header.ACK, func(b []byte) { b[100] ^= 1 }, false)}, "tcp checksum"},
		"a checksum of IPv4":         {[][]byte{segment(1, header.ACK, func(b []byte) { b[25] ^= 1 }, false)}, "ip checksum"},
		"a checksum of UDP":          {[][]byte{datagram(header.ProtocolUDP, []byte{0, 9, 0, 99, 0, 10, 1, 1, 'x', 'y'})}, "udp checksum"},
		"a checksum of ICMP":         {[][]byte{datagram(header.ProtocolICMP, []byte{8, 0, 1, 1, 0, 0, 0, 0})}, "icmp checksum"},
		"a TCP header that is cut":   {[][]byte{datagram(header.ProtocolTCP, []byte{19, 136, 0, 80, 0, 0})}, "malformed"},
		"an option past the header":  {[][]byte{segment(1, header.ACK, func(b []byte) { b[54], b[55] = 2, 40 }, true)}, "malformed"},
		"an option that is too long": {[][]byte{segment(1, header.ACK, func(b []byte) { b[54], b[55] = 3, 4 }, true)}, "malformed"},
		"an option out of place":     {[][]byte{segment(1, header.ACK, func(b []byte) { copy(b[54:], []byte{2, 4, 5, 180}) }, true)}, "malformed"},
		"a datagram that is cut":     {[][]byte{datagram(header.ProtocolUDP, []byte{0, 9, 0, 99, 0, 200, 0, 0})}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pcap")
			b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
			b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0)
			for i, f := range c.frames {
				for _, v := range []int{1700000000 + i, 0, len(f), len(f)} {
					b = binary.LittleEndian.AppendUint32(b, uint32(v))
				}
				b = append(b, f...)
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			f := look(t, file)
			got := strings.Join(f.check(0), "; ")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) || f.tcp == 0 && strings.Contains(c.want, "tcp") {
				t.Errorf("%q, want %q: %+v", got, c.want, f)
			}
		})
	}
}
