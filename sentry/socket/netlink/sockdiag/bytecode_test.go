package sockdiag

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"hull/netstack/stack"
)

// op writes one op; port is for those that have one behind them.
func op(code, yes uint8, no uint16, port ...uint16) []byte {
	b := binary.NativeEndian.AppendUint16([]byte{code, yes}, no)
	for _, p := range port {
		b = append(b, 0, 0)
		b = binary.NativeEndian.AppendUint16(b, p)
	}
	return b
}

func host(code uint8, prefix string, port int32) []byte {
	p := netip.MustParsePrefix(prefix)
	family, size := uint8(unix.AF_INET), 4
	if p.Addr().Is6() {
		family, size = unix.AF_INET6, 16
	}
	n := 12 + size
	b := op(code, uint8(n), uint16(n+4))
	b = append(b, family, uint8(p.Bits()), 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(port))
	return append(b, p.Addr().AsSlice()...)
}

func socketInfo(local, remote string) *stack.SocketInfo {
	i := &stack.SocketInfo{Family: unix.AF_INET}
	i.Local.AddrPort, i.Remote.AddrPort = netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	if i.Local.Addr().Is6() {
		i.Family = unix.AF_INET6
	}
	return i
}

func TestByteCode(t *testing.T) {
	a := socketInfo("10.0.0.1:80", "10.0.0.2:40000")
	six := socketInfo("[::ffff:10.0.0.1]:80", "[2001:db8::1]:9")
	for name, c := range map[string]struct {
		code []byte
		of   *stack.SocketInfo
		want bool
	}{
		"port":                {op(bcSEq, 8, 12, 80), a, true},
		"other port":          {op(bcSEq, 8, 12, 81), a, false},
		"at least":            {op(bcDGE, 8, 12, 40000), a, true},
		"at most":             {op(bcDLE, 8, 12, 39999), a, false},
		"prefix":              {host(bcDCond, "10.0.0.0/24", -1), a, true},
		"prefix and port":     {host(bcDCond, "10.0.0.0/24", 80), a, false},
		"other prefix":        {host(bcSCond, "10.0.1.0/24", -1), a, false},
		"mapped":              {host(bcSCond, "10.0.0.1/32", 80), six, true},
		"six":                 {host(bcDCond, "2001:db8::/32", -1), six, true},
		"six of another kind": {host(bcDCond, "2001:db8::/32", -1), a, false},
		// "sport = 81 or sport = 80" as ss compiles it: the first one's yes
		// jumps over a jump.
		"or": {append(append(op(bcSEq, 8, 12, 81), op(bcJmp, 4, 12)...), op(bcSEq, 8, 12, 80)...), a, true},
	} {
		if !auditCode(c.code) {
			t.Errorf("%s: refused", name)
			continue
		}
		if got := runCode(c.code, c.of); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAudit(t *testing.T) {
	for name, code := range map[string][]byte{
		"odd":            {0, 4, 4},
		"no step":        op(bcNop, 0, 4),
		"past the end":   op(bcNop, 12, 4),
		"cut off":        op(bcSEq, 8, 12),
		"into an op":     append(op(bcSEq, 8, 12, 80), op(bcSEq, 8, 12, 80)...),
		"unknown":        op(99, 4, 4),
		"long prefix":    append(op(bcSCond, 16, 20), 2, 33, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
		"unknown family": append(op(bcSCond, 16, 20), 77, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
	} {
		if auditCode(code) {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A program that passes the audit ends, and reads nothing outside of itself.
func FuzzByteCode(f *testing.F) {
	f.Add(op(bcSEq, 8, 12, 80))
	f.Add(host(bcDCond, "2001:db8::/32", -1))
	f.Add(append(append(op(bcSEq, 8, 12, 81), op(bcJmp, 4, 12)...), op(bcSEq, 8, 12, 80)...))
	is := []*stack.SocketInfo{socketInfo("10.0.0.1:80", "10.0.0.2:40000"), socketInfo("[::1]:80", "[2001:db8::1]:9"), {}}
	f.Fuzz(func(_ *testing.T, code []byte) {
		if auditCode(code) {
			for _, i := range is {
				runCode(code[:len(code):len(code)], i)
			}
		}
	})
}
