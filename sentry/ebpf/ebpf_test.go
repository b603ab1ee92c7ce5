package ebpf

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// code writes instructions: operation, destination, source, offset, number.
func code(list ...[5]int) []byte {
	var b []byte
	for _, x := range list {
		b = append(b, byte(x[0]), byte(x[1]|x[2]<<4))
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(x[3])))
		b = binary.LittleEndian.AppendUint32(b, uint32(int32(x[4])))
	}
	return b
}

const (
	movImm = 0xb7
	mov32  = 0xb4
	movReg = 0xbf
	jne    = 0x55
	ja     = 0x05
	and32  = 0x54
	rsh32  = 0x74
)

// allowNull is what container runtimes make of "c 1:3 rw": it allows reading and
// writing, but no making, of /dev/null, and nothing else.
func allowNull() []byte {
	return code(
		[5]int{loadWord, 2, 1, 0, 0}, [5]int{and32, 2, 0, 0, 0xffff}, // kind
		[5]int{loadWord, 3, 1, 0, 0}, [5]int{rsh32, 3, 0, 0, 16}, // access
		[5]int{loadWord, 4, 1, 4, 0}, [5]int{loadWord, 5, 1, 8, 0}, // numbers
		[5]int{jne, 2, 0, 7, 2},
		[5]int{0xbc, 1, 3, 0, 0}, [5]int{and32, 1, 0, 0, 6}, [5]int{0x5d, 1, 3, 4, 0},
		[5]int{jne, 4, 0, 3, 1}, [5]int{jne, 5, 0, 2, 3},
		[5]int{mov32, 0, 0, 0, 1}, [5]int{exit},
		[5]int{mov32, 0, 0, 0, 0}, [5]int{exit},
	)
}

func TestDeviceProgram(t *testing.T) {
	p, err := Parse(allowNull(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ access, kind, major, minor, want uint32 }{
		{2, 2, 1, 3, 1}, {6, 2, 1, 3, 1}, {1, 2, 1, 3, 0}, {7, 2, 1, 3, 0}, {2, 1, 1, 3, 0}, {2, 2, 1, 5, 0}, {2, 2, 5, 3, 0},
	} {
		if got := p.Run([]uint32{c.access<<16 | c.kind, c.major, c.minor}); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		want error
	}{
		"nothing":                  {nil, unix.EINVAL},
		"half an instruction":      {make([]byte, 12), unix.EINVAL},
		"no result":                {code([5]int{exit}), unix.EACCES},
		"no end":                   {code([5]int{movImm, 0, 0, 0, 1}), unix.EINVAL},
		"back":                     {code([5]int{movImm, 0, 0, 0, 1}, [5]int{ja, 0, 0, -2, 0}, [5]int{exit}), unix.EINVAL},
		"past the end":             {code([5]int{movImm, 0, 0, 0, 1}, [5]int{ja, 0, 0, 5, 0}, [5]int{exit}), unix.EINVAL},
		"behind the context":       {code([5]int{loadWord, 0, 1, 12, 0}, [5]int{exit}), unix.EACCES},
		"before it":                {code([5]int{loadWord, 0, 1, -4, 0}, [5]int{exit}), unix.EACCES},
		"another address":          {code([5]int{movImm, 2, 0, 0, 5}, [5]int{loadWord, 0, 2, 0, 0}, [5]int{exit}), unix.EACCES},
		"the address as a number":  {code([5]int{movReg, 0, 1, 0, 0}, [5]int{exit}), unix.EACCES},
		"the stack":                {code([5]int{movReg, 10, 1, 0, 0}, [5]int{exit}), unix.EACCES},
		"a register without value": {code([5]int{movReg, 0, 3, 0, 0}, [5]int{exit}), unix.EACCES},
		"written on one way only": {code([5]int{loadWord, 2, 1, 0, 0}, [5]int{jne, 2, 0, 1, 1}, [5]int{movImm, 0, 0, 0, 1},
			[5]int{exit}), unix.EACCES},
		"a call":     {code([5]int{call, 0, 0, 0, 1}, [5]int{exit}), unix.EINVAL},
		"a division": {code([5]int{movImm, 0, 0, 0, 1}, [5]int{0x37, 0, 0, 0, 0}, [5]int{exit}), unix.EINVAL},
		"a shift":    {code([5]int{movImm, 0, 0, 0, 1}, [5]int{0x67, 0, 0, 0, 64}, [5]int{exit}), unix.EINVAL},
		"too long":   {make([]byte, 8*(MaxInstructions+1)), unix.E2BIG},
	} {
		if _, err := Parse(c.code, 3); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What was accepted ends, and reads nothing but its context.
func FuzzProgram(f *testing.F) {
	f.Add(allowNull())
	f.Add(code([5]int{movImm, 0, 0, 0, -1}, [5]int{0xc7, 0, 0, 0, 3}, [5]int{0x84, 0, 0, 0, 0}, [5]int{exit}))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if p, err := Parse(b, 3); err == nil {
			p.Run([]uint32{2<<16 | 2, 1, 3})
			p.Run([]uint32{^uint32(0), ^uint32(0), 0})
		}
	})
}
