package net

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/gonet"
	"hull/netstack/link"
	"hull/netstack/link/afpacket"
	"hull/netstack/link/fault"
	"hull/netstack/link/pcap"
	"hull/netstack/stack"
	"hull/test/internal/netns"
)

// The addresses of the two ends.
const (
	ours4, linux4 = "10.55.0.1", "10.55.0.2"
	ours6, linux6 = "fd55::1", "fd55::2"
)

// world is a stack, and Linux beside it.
type world struct {
	ours  *gonet.Net
	stack *stack.Stack
	// linux runs functions on a thread that is in Linux's namespace: sockets that
	// they make are there.
	linux func(func())
	file  string // what passed
}

// config says how the two are joined. What passes is seen at Linux's end of the link,
// or at ours if the link spoils packets.
type config struct {
	mtu    int
	faults fault.Config
}

// join makes a world, which ends with the test.
func join(t *testing.T, c config) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can make network namespaces")
	}
	w := &world{linux: netns.New(t), file: filepath.Join(t.TempDir(), "pcap")}
	pool := &buffer.Pool{}
	var e link.Endpoint
	w.linux(func() {
		for _, l := range []string{
			fmt.Sprintf("link add ours address 02:00:00:00:00:01 mtu %d type veth peer name linux mtu %d", c.mtu, c.mtu),
			"addr add " + linux4 + "/24 dev linux", "link set ours up", "link set linux up", "link set lo up",
		} {
			ip(t, l)
		}
		if c.mtu >= 1280 {
			ip(t, "-6 addr add "+linux6+"/64 dev linux nodad")
		}
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/ours/disable_ipv6", []byte("1"), 0) // the stack's end is not Linux's
		i, err := net.InterfaceByName("ours")
		if err != nil {
			t.Error(err)
			return
		}
		fd, err := afpacket.Open(i.Index)
		if err != nil {
			t.Error(err)
			return
		}
		if e, err = afpacket.New(afpacket.Config{FD: fd, Pool: pool, MTU: c.mtu, Address: link.Address{2, 0, 0, 0, 0, 1}}); err != nil {
			t.Error(err)
		}
	})
	if e == nil {
		t.FailNow()
	}
	out, err := os.Create(w.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	pw, err := pcap.NewWriter(pcap.Config{W: out, Max: 1 << 30}, link.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			if out, err := exec.Command("tshark", "-n", "-r", w.file, "-c", "60").Output(); err == nil {
				t.Logf("what passed at first:\n%s", out)
			}
		}
	})
	spoils := c.faults.In.Corrupt+c.faults.Out.Corrupt > 0
	if !spoils {
		e = pcap.New(e, pw)
	}
	if c.faults != (fault.Config{}) {
		e = fault.New(e, c.faults)
	}
	if spoils {
		e = pcap.New(e, pw)
	}
	w.start(t, pool, e, c.mtu)
	return w
}

func (w *world) start(t *testing.T, pool *buffer.Pool, e link.Endpoint, mtu int) {
	t.Helper()
	begin := time.Now()
	w.stack = stack.New(stack.Config{
		Pool: pool, Now: func() int64 { return int64(time.Since(begin)) + 1 }, Wall: time.Now,
		After: func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		},
		Random: func(b []byte) { _, _ = rand.Read(b) },
	})
	t.Cleanup(w.stack.Close)
	nic, err := w.stack.AddNIC(stack.NICConfig{Name: "eth0", Link: e, MTU: mtu, Address: link.Address{2, 0, 0, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	addrs := []string{ours4 + "/24"}
	if mtu >= 1280 {
		addrs = append(addrs, ours6+"/64")
	}
	for _, a := range addrs {
		if err := nic.AddAddr(stack.Addr{Prefix: netip.MustParsePrefix(a), Flags: unix.IFA_F_NODAD}, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := nic.Change(stack.Change{Flags: unix.IFF_UP, FlagsMask: unix.IFF_UP}); err != nil {
		t.Fatal(err)
	}
	w.ours = gonet.New(w.stack, stack.Owner{Raw: true, Admin: true})
}

func ip(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v: %s", line, err, out)
	}
}

// listenLinux is a listener of Linux's.
func (w *world) listenLinux(t *testing.T, a string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	w.linux(func() { l, err = net.Listen("tcp", net.JoinHostPort(a, "0")) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dialLinux is a connection of Linux's to one of our listeners.
func (w *world) dialLinux(at net.Addr) (c net.Conn, err error) {
	w.linux(func() { c, err = (&net.Dialer{Timeout: time.Minute}).Dial("tcp", at.String()) })
	return c, err
}

// dial is a connection of ours to one of Linux's listeners.
func (w *world) dial(l net.Listener) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a := l.Addr().(*net.TCPAddr).AddrPort()
	return w.ours.Dial(ctx, "tcp", netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}
