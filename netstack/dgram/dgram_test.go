package dgram

import (
	"testing"

	"hull/netstack/buffer"
)

// TestBounds: a queue takes messages as long as it is below its limit, and each
// counts more than its bytes; an error queue takes a number. What finds no room is
// given back.
func TestBounds(t *testing.T) {
	var pool buffer.Pool
	packet := func(n int) *buffer.Packet { return pool.Received(buffer.NewView(pool.Get(n), 0, n)) }
	for _, c := range []struct{ size, limit, want int }{
		{0, 10 * Overhead, 10}, {Overhead, 10 * Overhead, 5}, {1, 1, 1}, {1 << 16, 1000, 1}, {1, 0, 0},
	} {
		q := Queue{Limit: c.limit}
		for range c.want + 7 {
			q.Push(Message{Packet: packet(max(c.size, 1)), Len: c.size})
		}
		if q.Len() != c.want || q.Drops != 7 || q.Bytes() != c.want*(c.size+Overhead) {
			t.Errorf("limit %d, %d bytes each: %d messages that count %d, %d lost", c.limit, c.size, q.Len(), q.Bytes(), q.Drops)
		}
		for range 3 { // the ring goes round
			m, ok := q.Pop()
			if !ok {
				break
			}
			if !q.Push(m) {
				t.Error("no room for what was just taken")
			}
		}
		if q.Clear(); q.Len() != 0 || q.Bytes() != 0 {
			t.Errorf("%d messages and %d bytes are left", q.Len(), q.Bytes())
		}
	}
	var q Errors
	for i := range MaxErrors + 7 {
		if q.Push(Error{Data: uint32(i), Packet: packet(1)}) != (i < MaxErrors) {
			t.Errorf("error %d", i)
		}
	}
	if q.Len() != MaxErrors || q.First().Data != 0 || q.Last().Data != MaxErrors-1 {
		t.Errorf("%d errors, from %d to %d", q.Len(), q.First().Data, q.Last().Data)
	}
	q.Clear()
}
