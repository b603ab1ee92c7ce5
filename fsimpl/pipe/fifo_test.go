package pipe

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/sentry/abi"
	"hull/sentry/current/currenttest"
	"hull/sentry/wait"
)

func TestOpenWaitsForPartner(t *testing.T) {
	p := newPipe()
	opened := make(chan error)
	go func() {
		_, err := p.openRead(currenttest.New(0), false)
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("open for reading did not wait: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	w, err := p.openWrite(currenttest.New(0), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	w.Release(nil, nil)
}

func TestOpenNonblocking(t *testing.T) {
	p, task := newPipe(), currenttest.New(0)
	if _, err := p.openWrite(task, true); err != unix.ENXIO {
		t.Errorf("open for writing without reader: %v", err)
	}
	r, err := p.openRead(task, true)
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Readiness(wait.In); m != 0 {
		t.Errorf("hung up before there was a writer: %#x", m)
	}
	w, err := p.openWrite(task, true)
	if err != nil {
		t.Fatal(err)
	}
	w.Release(nil, nil)
	if m := r.Readiness(wait.In); m != wait.Hup {
		t.Errorf("after the writer went: %#x", m)
	}
	r.Release(nil, nil)
	if p.readers != 0 || p.writers != 0 {
		t.Error("ends left open")
	}
}

func TestOpenInterrupted(t *testing.T) {
	p, task := newPipe(), currenttest.New(0)
	task.Interrupt()
	if _, err := p.openWrite(task, false); err != abi.ERESTARTSYS {
		t.Errorf("interrupted open: %v", err)
	}
	if p.writers != 0 {
		t.Error("writer left behind")
	}
}
