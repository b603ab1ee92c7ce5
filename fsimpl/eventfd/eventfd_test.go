package eventfd

import (
	"encoding/binary"
	"math"
	"testing"

	"golang.org/x/sys/unix"

	"hull/sentry/usermem"
	"hull/sentry/wait"
)

func add(e *Event, v uint64) error {
	b := binary.NativeEndian.AppendUint64(nil, v)
	_, _, err := e.Write(nil, nil, usermem.BytesBuffer(b), 0)
	return err
}

func take(e *Event) (uint64, error) {
	b := make([]byte, 8)
	_, err := e.Read(nil, nil, usermem.BytesBuffer(b), 0)
	return binary.NativeEndian.Uint64(b), err
}

func TestCounter(t *testing.T) {
	e := &Event{}
	if _, err := take(e); err != unix.EAGAIN {
		t.Errorf("read of 0: %v", err)
	}
	for _, v := range []uint64{1, 41} {
		if err := add(e, v); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := take(e); v != 42 || err != nil {
		t.Errorf("read = %d, %v", v, err)
	}
	if err := add(e, math.MaxUint64); err != unix.EINVAL {
		t.Errorf("write of the highest value: %v", err)
	}
	if err := add(e, math.MaxUint64-1); err != nil {
		t.Fatal(err)
	}
	if m := e.Readiness(wait.In | wait.Out); m != wait.In {
		t.Errorf("readiness of a full counter: %#x", m)
	}
	if err := add(e, 1); err != unix.EAGAIN {
		t.Errorf("write to a full counter: %v", err)
	}
}

func TestSemaphore(t *testing.T) {
	e := &Event{semaphore: true, count: 2}
	for range 2 {
		if v, err := take(e); v != 1 || err != nil {
			t.Errorf("read = %d, %v", v, err)
		}
	}
	if _, err := take(e); err != unix.EAGAIN {
		t.Errorf("read of 0: %v", err)
	}
}

func TestShortBuffers(t *testing.T) {
	e := &Event{count: 1}
	if _, err := e.Read(nil, nil, usermem.BytesBuffer(make([]byte, 7)), 0); err != unix.EINVAL {
		t.Errorf("short read: %v", err)
	}
	if _, _, err := e.Write(nil, nil, usermem.BytesBuffer(make([]byte, 7)), 0); err != unix.EINVAL {
		t.Errorf("short write: %v", err)
	}
}
