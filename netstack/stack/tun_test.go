package stack

import (
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/link/tun"
)

// FuzzTunFrame has what a program writes to a TUN or TAP device arrive, with a
// header of virtio-net that is the program's too, at a stack that forwards it.
func FuzzTunFrame(f *testing.F) {
	echo := []byte{0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 5, 0, 2, 10, 5, 0, 1, 8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	f.Add(false, []byte{}, echo)
	f.Add(false, []byte{1, 5, 28, 0, 8, 0, 20, 0, 6, 0}, append([]byte{0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 10, 5, 0, 2, 10, 0, 0, 2, 0, 9, 0, 9, 0, 40, 0, 0}, make([]byte, 32)...))
	f.Add(true, []byte{1, 0, 0, 0, 0, 0, 34, 0, 6, 0}, append(make([]byte, 14), echo...))
	f.Fuzz(func(t *testing.T, tap bool, vnet, frame []byte) {
		if len(vnet) != 0 && len(vnet) < 10 || len(frame) > 4000 {
			return // no socket and no file lets such through
		}
		v := newClock()
		a, _ := pair(t, v)
		if err := a.SetTunable("ipv4/ip_forward", "1"); err != nil {
			t.Fatal(err)
		}
		kind := uint32(unix.IFF_TUN)
		if tap {
			kind = unix.IFF_TAP
		}
		d := tun.New(kind)
		q, err := d.Add(func(bool) {})
		if err != nil {
			t.Fatal(err)
		}
		n, err := a.AddNIC(NICConfig{Name: "t0", Kind: KindTun, Link: d})
		if err != nil {
			t.Fatal(err)
		}
		up(t, n)
		addr(t, n, "10.5.0.1/24")
		p, err := n.NewFrame(vnet, len(frame), func(b []byte) error {
			copy(b, frame)
			return nil
		})
		if err == nil {
			d.Inject(p)
		}
		for p := q.Take(); p != nil; p = q.Take() {
			p.Release()
		}
		if q.Close() {
			n.Remove()
		}
	})
}
