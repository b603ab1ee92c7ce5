package loader

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// refusal reports whether err is what a hostile file may get: an errno, or an
// Error with a reason.
func refusal(err error) bool {
	var le *Error
	if errors.As(err, &le) {
		return le.Errno != 0 && le.Why != ""
	}
	var errno unix.Errno
	return errors.As(err, &errno) && errno != 0
}

// FuzzParse reads headers and, where they pass, loads the program. Whatever the
// bytes are, nothing panics and no memory stays.
func FuzzParse(f *testing.F) {
	f.Add(static().bytes())
	dyn := static()
	dyn.typ = typeDyn
	dyn.segments = append(dyn.segments, segment{typ: ptInterp, off: 0x170, filesz: 4})
	dyn.content = map[uint64]string{0x170: "/ld\x00"}
	f.Add(dyn.bytes())
	if b := hostProgram(f); b != nil {
		f.Add(b[:min(len(b), 8<<10)])
		f.Add(b)
	}
	m := newMemory(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		before := m.Usage()
		p, err := Parse(&memImage{data: b})
		if err != nil {
			if !refusal(err) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if n := p.Interp(); len(n) > maxInterp || strings.ContainsRune(n, 0) {
			t.Fatalf("linker %q", n)
		}
		as, res, err := loadInto(t, m, b, func(r *Request) {
			r.Open = func(string) (Image, func(), error) {
				img, drop := newImage(t, m, b)
				return img, drop, nil
			}
		})
		switch {
		case err != nil && !refusal(err):
			t.Errorf("refused with %v", err)
		case err == nil && (res.Entry >= as.End() || res.SP >= as.End()):
			t.Errorf("starts at %#x with its stack at %#x", uint64(res.Entry), uint64(res.SP))
		}
		as.DecUsers()
		if now := m.Usage(); now != before {
			t.Errorf("%d bytes are in use, %d were", now, before)
		}
	})
}

// FuzzScript reads #! lines: a name is never empty, and never more than the
// line had.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"", "#!", "#!/bin/sh\n", "#! /usr/bin/env python3 -u\nx", "#!/a\x00b\n", "#!" + strings.Repeat("/", 400), "\x7fELF"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		interp, arg, ok, err := Script(&memImage{data: b})
		switch {
		case err != nil:
			if !errors.Is(err, unix.ENOEXEC) || ok {
				t.Fatalf("%v, %v", ok, err)
			}
		case !ok:
			if strings.HasPrefix(string(b), "#!") {
				t.Fatal("a #! line was passed over")
			}
		case interp == "" || strings.ContainsAny(interp, " \t\n\x00") || strings.ContainsAny(arg, "\n\x00"):
			t.Fatalf("name %q, argument %q", interp, arg)
		case strings.Trim(arg, " \t") != arg || len(interp)+len(arg) > scriptHead-2:
			t.Fatalf("name %q, argument %q", interp, arg)
		}
	})
}
