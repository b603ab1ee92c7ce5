package control

import (
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewConn(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewConn(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestConn(t *testing.T) {
	a, b := pair(t)
	want := []Message{
		{Kind: Started},
		{Kind: Failed, Code: 127, Text: "no such file"},
		{Kind: Signal, Signo: 15, Foreground: true},
	}
	for _, m := range want {
		if err := a.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range want {
		got, err := b.Receive()
		if err != nil || got != m {
			t.Errorf("received %+v, %v; want %+v", got, err, m)
		}
	}
	if err := a.Send(Message{Kind: Failed, Text: strings.Repeat("\x01", 1<<20)}); err != nil {
		t.Errorf("long text: %v", err)
	}
	if _, err := b.Receive(); err != nil {
		t.Errorf("long text: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestConfig(t *testing.T) {
	c := &Config{Role: Role{CPUs: 3}, Container: Container{Spec: &specs.Spec{Hostname: "h", Process: &specs.Process{Args: []string{"a", "b"}}}}}
	f, err := WriteConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, os.ErrPermission) {
		t.Errorf("the configuration can be changed: %v", err)
	}
	for range 2 {
		got, err := ReadConfig(f)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("read %+v, %v", got, err)
		}
		role, err := ReadRole(f)
		if err != nil || !reflect.DeepEqual(role, &c.Role) {
			t.Errorf("read the role %+v, %v", role, err)
		}
	}
}

func TestCapabilityNames(t *testing.T) {
	if n := len(Capabilities()); n != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d names", n)
	}
}

// FuzzDecode: what a sandbox that was taken over sends must not hurt its parent.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"kind":"exited","code":3}`))
	f.Add([]byte(`{"kind":"signal","signo":-1}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err == nil && m.Kind == Signal && (m.Signo < 1 || m.Signo > 64) {
			t.Errorf("signal %d", m.Signo)
		}
	})
}
