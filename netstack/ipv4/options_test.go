package ipv4

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestProcessOptions(t *testing.T) {
	c := &Context{Local: netip.MustParseAddr("192.0.2.1"), Milli: 0x01020304}
	for name, tt := range map[string]struct {
		in, out []byte
		bad     int
	}{
		"none":               {nil, nil, 0},
		"end":                {[]byte{0, 9, 9, 9}, []byte{0, 9, 9, 9}, 0},
		"record route":       {[]byte{1, 7, 7, 4, 0, 0, 0, 0}, []byte{1, 7, 7, 8, 192, 0, 2, 1}, 0},
		"record route, full": {[]byte{7, 7, 8, 1, 2, 3, 4, 0}, []byte{7, 7, 8, 1, 2, 3, 4, 0}, 0},
		"pointer too small":  {[]byte{7, 7, 3, 0, 0, 0, 0, 0}, nil, 22},
		"too long":           {[]byte{7, 20, 4, 0}, nil, 20},
		"length of one":      {[]byte{1, 7, 1, 4}, nil, 21},
		"time":               {[]byte{68, 8, 5, 0, 0, 0, 0, 0}, []byte{68, 8, 9, 0, 1, 2, 3, 4}, 0},
		"time, overflow":     {[]byte{68, 8, 9, 0, 0, 0, 0, 0}, []byte{68, 8, 9, 0x10, 0, 0, 0, 0}, 0},
		"time and address":   {[]byte{68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{68, 12, 13, 1, 192, 0, 2, 1, 1, 2, 3, 4}, 0},
		"twice":              {[]byte{7, 3, 4, 7, 3, 4, 0, 0}, nil, 23},
	} {
		got := bytes.Clone(tt.in)
		_, bad := ProcessOptions(got, c)
		if bad != tt.bad || bad == 0 && !bytes.Equal(got, tt.out) {
			t.Errorf("%s: % x, bad at %d; want % x, %d", name, got, bad, tt.out, tt.bad)
		}
	}
}

func FuzzProcessOptions(f *testing.F) {
	f.Add([]byte{68, 12, 5, 3, 1, 2, 3, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 40 {
			b = b[:40]
		}
		ProcessOptions(b, &Context{Local: netip.MustParseAddr("192.0.2.1"), Mine: func(netip.Addr) bool { return true }})
		ValidOptions(b)
	})
}
