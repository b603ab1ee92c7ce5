package wire

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRoundTrip(t *testing.T) {
	var b Builder
	b.Begin(16, unix.NLM_F_REQUEST, 7, 9)
	b.Append(1, 2, 3, 4, 5)
	b.U8(1, 8)
	b.U16(2, 16)
	b.U32(3, 32)
	b.U64(4, 64)
	b.String(5, "eth0")
	n := b.Nest(6)
	b.U32BE(1, 0x01020304)
	b.Close(n)
	b.Flag(7)
	b.End()
	b.Begin(17, 0, 0, 0)
	b.End()

	h, body, rest, ok := Next(b.Bytes())
	if !ok || h.Type != 16 || h.Seq != 7 || h.Port != 9 || int(h.Len) != HeaderSize+len(body) {
		t.Fatalf("header %+v %v", h, ok)
	}
	p := Policy{1: {Kind: U8}, 2: {Kind: U16}, 3: {Kind: U32}, 4: {Kind: U64}, 5: {Kind: String, Max: 15}, 6: {Kind: Nested}, 7: {Kind: Flag}}
	a, err := Parse(body[8:], p, false)
	if err != nil {
		t.Fatal(err)
	}
	if a.U8(1) != 8 || a.U16(2) != 16 || a.U32(3) != 32 || a.U64(4) != 64 || a.String(5) != "eth0" || !a.Has(7) || a.Has(0) {
		t.Errorf("attributes %v", a)
	}
	in, err := a.Nested(6, Policy{1: {Kind: U32}})
	if err != nil || in.U32BE(1) != 0x01020304 {
		t.Errorf("nested %v %v", in, err)
	}
	if h, body, rest, ok = Next(rest); !ok || h.Type != 17 || len(body) != 0 || len(rest) != 0 {
		t.Errorf("second message %+v %v", h, ok)
	}
}

func TestPolicy(t *testing.T) {
	p := Policy{1: {Kind: U32}, 2: {Kind: String, Max: 3}, 3: {Kind: Any, Min: 2, Max: 4}, 4: {Kind: Reject}, 5: {Kind: Nested}}
	for name, c := range map[string]struct {
		do     func(b *Builder)
		strict bool
		want   unix.Errno
	}{
		"short number":        {func(b *Builder) { b.U16(1, 1) }, false, unix.ERANGE},
		"long number":         {func(b *Builder) { b.U64(1, 1) }, false, 0},
		"long number, strict": {func(b *Builder) { b.U64(1, 1) }, true, unix.ERANGE},
		"string":              {func(b *Builder) { b.String(2, "abc") }, true, 0},
		"long string":         {func(b *Builder) { b.String(2, "abcd") }, false, unix.ERANGE},
		"short bytes":         {func(b *Builder) { b.Attr(3, []byte{1}) }, false, unix.ERANGE},
		"long bytes":          {func(b *Builder) { b.Attr(3, make([]byte, 5)) }, false, unix.ERANGE},
		"rejected":            {func(b *Builder) { b.Flag(4) }, false, unix.EINVAL},
		"unknown":             {func(b *Builder) { b.Flag(9) }, false, 0},
		"unknown, strict":     {func(b *Builder) { b.Flag(9) }, true, unix.EINVAL},
		"left over":           {func(b *Builder) { b.Append(1, 0, 1, 0) }, false, 0},
		"left over, strict":   {func(b *Builder) { b.Append(1, 0, 1, 0) }, true, unix.EINVAL},
		"not nested, strict":  {func(b *Builder) { b.Close(b.Nest(5)) }, true, unix.EINVAL},
		"nested, strict":      {func(b *Builder) { b.Close(b.NestFlagged(5)) }, true, 0},
	} {
		var b Builder
		c.do(&b)
		_, err := Parse(b.Bytes(), p, c.strict)
		if got := unix.Errno(0); err != nil && err.Errno != c.want || err == nil && got != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Anything can be read, and nothing outside of it is.
func FuzzParse(f *testing.F) {
	var b Builder
	b.Begin(16, 0, 0, 0)
	b.U32(1, 1)
	b.Close(b.Nest(2))
	b.String(3, "x")
	b.End()
	f.Add(b.Bytes())
	p := Policy{1: {Kind: U32}, 2: {Kind: Nested}, 3: {Kind: String, Max: 8}, 4: {Kind: Any, Max: 8}}
	f.Fuzz(func(t *testing.T, in []byte) {
		was := bytes.Clone(in)
		total := 0
		for rest := in; ; {
			h, body, next, ok := Next(rest)
			if !ok {
				break
			}
			if len(body)+HeaderSize != int(h.Len) || len(next) >= len(rest) {
				t.Fatalf("a message of %d bytes, body %d, %d of %d left", h.Len, len(body), len(next), len(rest))
			}
			total += len(body) + HeaderSize
			for _, strict := range []bool{false, true} {
				a, err := Parse(body, p, strict)
				if err != nil && err.Errno == 0 {
					t.Fatal("refused without an errno")
				}
				_, _, _, _, _ = a.U8(4), a.U16(4), a.U64(4), a.Addr(4), a.U64BE(4)
				if len(a.String(3)) > len(body) {
					t.Fatal("a string from elsewhere")
				}
				_, _ = a.Nested(2, p)
			}
			rest = next
		}
		if total > len(in) || !bytes.Equal(in, was) {
			t.Fatal("more was read than there was, or something was written")
		}
	})
}
