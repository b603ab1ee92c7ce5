package stack

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzPacketSend has a packet socket send what a guest wrote: a frame with a header
// of virtio-net before it, and the same by a ring whose frames' headers he wrote
// too. What leaves goes over the loopback interface and a veth, which cuts nothing,
// and one that cuts.
func FuzzPacketSend(f *testing.F) {
	udp := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 9, 0, 40, 0, 0}
	frame := append(udp, make([]byte, 32)...)
	f.Add(uint8(0), []byte{1, 0, 0, 0, 0, 0, 34, 0, 6, 0}, frame, []byte{1})
	f.Add(uint8(1), []byte{1, 5, 42, 0, 8, 0, 34, 0, 6, 0}, frame, []byte{1, 0, 0, 0, 84})
	f.Add(uint8(2), []byte{1, 1, 54, 0, 8, 0, 34, 0, 16, 0}, frame, make([]byte, 48))
	f.Fuzz(func(t *testing.T, kind uint8, vnet, frame, head []byte) {
		if len(vnet) < 10 || len(frame) > 2000 || len(head) > 64 {
			return // no socket and no file lets such through
		}
		v := newClock()
		a, _ := pair(t, v)
		n := a.NICs()[len(a.NICs())-1]
		if err := n.SetFeatures(0, ^Features(0)); err != nil { // it cuts and sums by itself
			t.Fatal(err)
		}
		for _, index := range []int{1, n.Index()} {
			x := socket(t, a, unix.AF_PACKET, unix.SOCK_RAW, 0)
			set := func(name, value int) {
				if err := x.SetOption(solPacket, name, binary.NativeEndian.AppendUint32(nil, uint32(value)), true, true); err != nil {
					t.Fatal(err)
				}
			}
			set(unix.PACKET_VERSION, int(kind%3))
			set(unix.PACKET_VNET_HDR, 1)
			set(packetTxHasOff, int(kind>>2&1))
			set(unix.PACKET_LOSS, int(kind>>3&1))
			to := Address{Scope: index, Link: &LinkAddress{Protocol: unix.ETH_P_IP}}
			// What is no frame is an error, which one does not matter here.
			send := func(x Socket, b []byte) { _, _ = x.Send(bytes.NewReader(b), len(b), &SendMeta{To: &to}) }
			b := append(append([]byte(nil), vnet[:10]...), frame...)
			send(x, b)
			req := []byte{}
			for _, w := range []uint32{4096, 1, 2048, 2, 0, 0, 0} {
				req = binary.NativeEndian.AppendUint32(req, w)
			}
			r, err := x.(Ringer).ParseRing(req, true)
			if err != nil {
				t.Fatal(err)
			}
			ring := alignedBlock(4096)
			if err := x.(Ringer).SetRing(r, [][]byte{ring}, true); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				m := ring[i*2048 : (i+1)*2048]
				copy(m[ringHeaderSize(int(kind%3)):], b)
				copy(m, head)
				status(m, [3]int{0, 0, 20}[kind%3]).Store(tpSend)
			}
			for range 4 {
				send(x, nil)
			}
			x.Close()
		}
	})
}
