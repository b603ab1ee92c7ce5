package stack

import (
	"encoding/binary"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFanoutChurn has sockets come to groups and go while frames do, of every kind
// of group: nothing is left of a group in the end.
func TestFanoutChurn(t *testing.T) {
	v := newClock()
	a, b := pair(t, v)
	u := socket(t, a, unix.AF_INET, unix.SOCK_DGRAM, 0)
	y := socket(t, b, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err := y.Bind(to("10.0.0.2:9"), true); err != nil {
		t.Fatal(err)
	}
	sendTo(t, u, "first", "10.0.0.2:9")
	var wg sync.WaitGroup
	for kind := range uint32(unix.PACKET_FANOUT_CBPF + 1) {
		for range 2 {
			wg.Go(func() {
				for range 50 {
					x, err := b.NewSocket(unix.AF_PACKET, unix.SOCK_DGRAM, int(networkOrder(unix.ETH_P_IP)), Owner{Raw: true, Admin: true})
					if err != nil {
						t.Error(err)
						return
					}
					if err := x.SetOption(solPacket, packetFanout, binary.NativeEndian.AppendUint32(nil, 7+kind|kind<<16), true, true); err != nil {
						t.Error(err)
					}
					_, _, _ = recv(x)
					x.Close()
				}
			})
		}
	}
	wg.Go(func() {
		for range 300 {
			sendTo(t, u, "churn", "10.0.0.2:9")
		}
	})
	wg.Wait()
	if n := len(b.taps.fans()); n != 0 {
		t.Errorf("%d groups are left", n)
	}
}
