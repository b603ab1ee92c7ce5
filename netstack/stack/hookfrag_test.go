package stack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/netstack/route"
)

// Where nobody asks for connections a router's rules see fragments, and send them on as
// they are; else only those of a priority before -400 do, and the others the whole. Who
// receives them puts them together before its input hook in either case.
func TestFragmentsAtHooks(t *testing.T) {
	for _, tracks := range []bool{false, true} {
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("tracked %v, IPv6 %v", tracks, v6), func(t *testing.T) {
				v, a, r, b := routed(t)
				family, dst := unix.AF_INET, "192.0.2.2:9"
				if v6 {
					family, dst = unix.AF_INET6, "[fd02::2]:9"
					addr(t, a.NICByName("eth0"), "fd01::2/64")
					addr(t, r.NICByName("in"), "fd01::1/64")
					addr(t, r.NICByName("out"), "fd02::1/64")
					addr(t, b.NICByName("eth0"), "fd02::2/64")
					tune(t, r, "ipv6/conf/all/forwarding", "1")
					way := defaultRoute(a.NICByName("eth0").Index(), netip.MustParseAddr("fd01::1"))
					way.Dst = netip.MustParsePrefix("::/0")
					if err := a.AddRoute(way, route.Exclusive); err != nil {
						t.Fatal(err)
					}
					v.advance(5e9)
				}
				counts := map[string]*filter.Counter{}
				count := func(name string) []filter.Expr {
					counts[name] = filter.NewCounter(0, 0)
					return []filter.Expr{&filter.Meta{Key: filter.MetaL4Proto, Reg: 0}, &filter.Cmp{Op: filter.CmpEQ, SReg: 0, Data: []byte{unix.IPPROTO_UDP}}, counts[name]}
				}
				rules(t, r, func(r *ruleset) {
					r.chain("raw", "filter", filter.Prerouting, -450, count("raw"))
					r.chain("pre", "filter", filter.Prerouting, 0, count("pre"), append(port(9), verdict(filter.CodeAccept)))
					r.chain("fwd", "filter", filter.Forward, 0, count("forward"))
					if tracks {
						r.chain("ct", "filter", filter.Forward, 1, []filter.Expr{&filter.CT{Key: filter.CTState, Reg: 0}})
					}
				})
				rules(t, b, func(r *ruleset) {
					r.chain("in", "filter", filter.Input, 0, count("input"))
				})
				x, y := socket(t, a, family, unix.SOCK_DGRAM, 0), socket(t, b, family, unix.SOCK_DGRAM, 0)
				if err := y.Bind(to(dst), true); err != nil {
					t.Fatal(err)
				}
				data := strings.Repeat("0123456789", 400)
				sendTo(t, x, data, dst)
				wantRecv(t, y, data)
				whole := uint64(3)
				if tracks {
					whole = 1
				}
				for name, want := range map[string]uint64{"raw": 3, "pre": whole, "forward": whole, "input": 1} {
					if n, _ := counts[name].Values(false); n != want {
						t.Errorf("%s: %d packets, want %d", name, n, want)
					}
				}
			})
		}
	}
}
