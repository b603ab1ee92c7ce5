package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFollowsHost compares with the host's clocks: between two readings of the
// host, give or take what calibration may err.
func TestFollowsHost(t *testing.T) {
	c := New(Offsets{})
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
	c := New(Offsets{})
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
	c := New(Offsets{})
	d := time.Until(c.Deadline(Monotonic, c.Nanos(Monotonic)+int64(time.Minute)))
	if d < 59*time.Second || d > 61*time.Second {
		t.Errorf("a minute from now is in %v", d)
	}
}

// TestOffsets compares with the host's clocks: some are away by what was asked
// for, the others are the host's.
func TestOffsets(t *testing.T) {
	o := Offsets{Monotonic: int64(time.Hour), Boottime: -int64(time.Second)}
	for _, steady := range []bool{true, false} {
		c := New(o)
		if !steady {
			c.params.Store(&Params{}) // as on a host whose counter is no clock
		}
		for id, want := range map[int32]int64{
			unix.CLOCK_REALTIME: 0, unix.CLOCK_TAI: 0, unix.CLOCK_MONOTONIC: o.Monotonic, unix.CLOCK_MONOTONIC_COARSE: o.Monotonic,
			unix.CLOCK_MONOTONIC_RAW: o.Monotonic, unix.CLOCK_BOOTTIME: o.Boottime,
		} {
			base, _ := Base(id)
			if d := c.Nanos(base) - int64(hostClock(id)) - want; d < -int64(100*time.Millisecond) || d > int64(100*time.Millisecond) {
				t.Errorf("clock %d (steady %v): %v from where it is to be", id, steady, time.Duration(d))
			}
		}
		at := c.Deadline(Monotonic, c.Nanos(Monotonic)+int64(time.Minute))
		if d := time.Until(at); d < 59*time.Second || d > 61*time.Second {
			t.Errorf("a deadline in a minute is in %v", d)
		}
	}
}

// A thread that loses its processor between two readings does not set a clock wrong.
func TestApart(t *testing.T) {
	const ahead = 5 * uint64(time.Hour)
	for interrupted := range 2 * 3 {
		now, n := uint64(0), 0
		got := apart(func(id int32) uint64 {
			now += 20
			if n++; n == interrupted {
				now += uint64(time.Second)
			}
			if id == unix.CLOCK_BOOTTIME {
				return now + ahead
			}
			return now
		}, unix.CLOCK_BOOTTIME)
		if got != ahead {
			t.Errorf("interrupted before reading %d: apart by %d, want %d", interrupted, got, ahead)
		}
	}
}
