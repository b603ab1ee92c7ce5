package inet

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
)

// stream is a fake endpoint of TCP whose queue is what it gives.
type stream struct {
	*fake
	ended bool
}

func (s stream) Inq() (int, bool, error) { return len(s.give), s.ended, nil }

// FuzzZeroReceive has any struct tcp_zerocopy_receive answered: in what room there
// was, with no more said to be copied or left than there is.
func FuzzZeroReceive(f *testing.F) {
	whole := make([]byte, zcSize)
	binary.NativeEndian.PutUint32(whole[zcLength:], 4096)
	f.Add(whole, uint16(100), false)
	f.Add(whole[:20], uint16(0), true)
	copying := append([]byte(nil), whole...)
	copying[zcCopyAddress], copying[zcCopyLen] = 8, 50
	f.Add(copying, uint16(40), false)
	copying[zcCopyLen+3] = 0x80
	f.Add(copying, uint16(5000), true)
	f.Fuzz(func(t *testing.T, in []byte, queued uint16, ended bool) {
		s, fk, task := made(t, unix.AF_INET, unix.SOCK_STREAM)
		fk.give = make([]byte, queued)
		task.Memory = usermem.Bytes(make([]byte, 1<<13))
		st := stream{fk, ended}
		s.st = st
		b, err := s.zeroReceive(task, st, in)
		if err != nil {
			return
		}
		if len(b) != min(len(in), zcSize) {
			t.Fatalf("%d bytes of %d", len(b), len(in))
		}
		z := make([]byte, zcSize)
		copy(z, b)
		ne := binary.NativeEndian
		copied := int32(ne.Uint32(z[zcCopyLen:]))
		if left := ne.Uint32(z[zcSkipHint:]); len(b) > zcCopyLen+4 && (ne.Uint32(z[zcLength:]) != 0 || copied > int32(queued) || left > uint32(queued)) {
			t.Errorf("of %d: %d mapped, %d copied, %d to be read", queued, ne.Uint32(z[zcLength:]), copied, left)
		}
	})
}
