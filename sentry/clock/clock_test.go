package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFollowsHost compares with the host's clocks: between two readings of the
// host, give or take what calibration may err.
func TestFollowsHost(t *testing.T) {
	c := New()
	time.Sleep(120 * time.Millisecond) // the second calibration
	for id, name := range map[int32]string{unix.CLOCK_REALTIME: "realtime", unix.CLOCK_MONOTONIC: "monotonic", unix.CLOCK_BOOTTIME: "boottime"} {
		base, _ := Base(id)
		before := int64(hostClock(id))
		now := c.Nanos(base)
		after := int64(hostClock(id))
		const slack = int64(2 * time.Millisecond)
		if now < before-slack || now > after+slack {
			t.Errorf("%s: %d, the host says %d to %d", name, now, before, after)
		}
	}
}

// TestNeverGoesBack reads the monotonic clock across corrections.
func TestNeverGoesBack(t *testing.T) {
	c := New()
	last := c.Nanos(Monotonic)
	for i := range 20000 {
		if i%1000 == 0 {
			c.force()
		}
		now := c.Nanos(Monotonic)
		if now < last {
			t.Fatalf("went back by %d ns", last-now)
		}
		last = now
	}
}

func TestDeadline(t *testing.T) {
	c := New()
	d := time.Until(c.Deadline(Monotonic, c.Nanos(Monotonic)+int64(time.Minute)))
	if d < 59*time.Second || d > 61*time.Second {
		t.Errorf("a minute from now is in %v", d)
	}
}
