package net

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hull/netstack/link/fault"
)

// transfer sends n bytes each way at once, over a connection that each side has an
// end of, and compares what comes.
func transfer(a, b net.Conn, n int64) error {
	const patience = 3 * time.Minute
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	sums := make([][]byte, 4)
	send := func(c net.Conn, seed uint64, sum *[]byte) {
		defer wg.Done()
		h := sha256.New()
		src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7})
		_, err := io.CopyN(io.MultiWriter(c, h), src, n)
		if err == nil {
			err = c.(interface{ CloseWrite() error }).CloseWrite()
		}
		*sum = h.Sum(nil)
		errs <- err
	}
	receive := func(c net.Conn, sum *[]byte) {
		defer wg.Done()
		h := sha256.New()
		got, err := io.Copy(h, c)
		if err == nil && got != n {
			err = fmt.Errorf("%d bytes of %d", got, n)
		}
		*sum = h.Sum(nil)
		errs <- err
	}
	for _, c := range []net.Conn{a, b} {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
	}
	wg.Add(4)
	go send(a, 1, &sums[0])
	go receive(b, &sums[1])
	go send(b, 2, &sums[2])
	go receive(a, &sums[3])
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	if err == nil && (!bytes.Equal(sums[0], sums[1]) || !bytes.Equal(sums[2], sums[3])) {
		err = errors.New("the bytes differ")
	}
	return err
}

// both makes a connection each way and has f use them: ours is our end.
func (w *world) both(t *testing.T, ourAddr, linuxAddr string, f func(t *testing.T, ours, linux net.Conn)) {
	t.Helper()
	t.Run("we connect", func(t *testing.T) {
		l := w.listenLinux(t, linuxAddr)
		ours, err := w.dial(l)
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		linux, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer linux.Close()
		f(t, ours, linux)
	})
	t.Run("Linux connects", func(t *testing.T) {
		l, err := w.ours.Listen(netip.AddrPortFrom(netip.MustParseAddr(ourAddr), 0))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		linux, err := w.dialLinux(l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer linux.Close()
		ours, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		f(t, ours, linux)
	})
}

func (w *world) transferBoth(t *testing.T, ourAddr, linuxAddr string, n int64) {
	t.Helper()
	w.both(t, ourAddr, linuxAddr, func(t *testing.T, ours, linux net.Conn) {
		start := time.Now()
		if err := transfer(ours, linux, n); err != nil {
			t.Error(err)
		}
		t.Logf("%d bytes each way in %v", n, time.Since(start).Round(time.Millisecond))
	})
}

func TestBulk(t *testing.T) {
	for _, mtu := range []int{576, 1280, 1500, 9000} {
		t.Run(fmt.Sprintf("MTU %d", mtu), func(t *testing.T) {
			w := join(t, config{mtu: mtu})
			w.transferBoth(t, ours4, linux4, 32<<20)
			if mtu >= 1280 {
				t.Run("IPv6", func(t *testing.T) { w.transferBoth(t, ours6, linux6, 32<<20) })
			}
			if f := w.clean(t, 0.01); f.again*50 > f.tcp {
				t.Errorf("%d of our %d segments are retransmissions, over a link that loses nothing", f.again, f.tcp)
			}
			// But for tail loss probes there are none, unless the machine stood still.
			c := map[string]uint64{}
			for _, x := range w.stack.Counters() {
				c[x.Name] = x.Value
			}
			if c["TCPTimeouts"] == 0 && c["RetransSegs"] > c["TCPLossProbes"] {
				t.Errorf("%d segments were sent again, %d of them as probes", c["RetransSegs"], c["TCPLossProbes"])
			}
		})
	}
}

// TestFaultyLinks has connections each way, of IPv4 and of IPv6. Of segments that had
// arrived only a few may be sent again: a tenth, or somewhat more where the link doubles
// them or deceives who sends. It is far fewer on a machine that has nothing else to do.
// Where packets overtake each other by half of a round trip, Linux sends up to a tenth
// of them again until it has learnt of that.
func TestFaultyLinks(t *testing.T) {
	rates := func(mtu int, r fault.Rates) config {
		return config{mtu: mtu, faults: fault.Config{In: r, Out: r, Seed: 5, Plain: true}}
	}
	for name, c := range map[string]struct {
		config
		n    int64 // bytes each way of each connection
		part float64
	}{
		"loss 0.1 %":      {rates(1500, fault.Rates{Loss: 0.001}), 4 << 20, 0.1},
		"loss 1 %":        {rates(1500, fault.Rates{Loss: 0.01}), 2 << 20, 0.1},
		"loss 10 %":       {rates(1500, fault.Rates{Loss: 0.1}), 1 << 19, 0.1},
		"delay 50 ms":     {rates(1500, fault.Rates{Delay: 25 * time.Millisecond}), 4 << 20, 0.1},
		"reordering":      {rates(1500, fault.Rates{Delay: 5 * time.Millisecond, Reorder: 0.05}), 2 << 20, 0.15},
		"duplicates":      {rates(1500, fault.Rates{Duplicate: 0.05}), 4 << 20, 0.15},
		"corruption":      {rates(1500, fault.Rates{Corrupt: 0.01}), 2 << 20, 0.1},
		"all together":    {rates(1500, fault.Rates{Loss: 0.01, Delay: 10 * time.Millisecond, Jitter: 2 * time.Millisecond, Duplicate: 0.01, Corrupt: 0.002}), 1 << 19, 0.15},
		"MTU 576, loss":   {rates(576, fault.Rates{Loss: 0.01, Delay: time.Millisecond}), 1 << 20, 0.1},
		"MTU 1280, loss":  {rates(1280, fault.Rates{Loss: 0.01, Delay: time.Millisecond}), 1 << 20, 0.1},
		"MTU 9000, loss":  {rates(9000, fault.Rates{Loss: 0.01, Delay: time.Millisecond}), 4 << 20, 0.1},
		"MTU 9000, mixed": {rates(9000, fault.Rates{Loss: 0.01, Delay: 5 * time.Millisecond, Duplicate: 0.02, Reorder: 0.02}), 2 << 20, 0.15},
	} {
		t.Run(name, func(t *testing.T) {
			w := join(t, c.config)
			start := time.Now()
			families := [][2]string{{ours4, linux4}, {ours6, linux6}}
			if c.mtu < 1280 {
				families = families[:1]
			}
			for _, a := range families {
				w.both(t, a[0], a[1], func(t *testing.T, ours, linux net.Conn) {
					if err := transfer(ours, linux, c.n); err != nil {
						t.Error(err)
					}
				})
			}
			f := w.clean(t, c.part)
			t.Logf("%v; of %d segments %d were sent again, %d of them had arrived", time.Since(start).Round(time.Millisecond), f.tcp, f.again, f.spurious)
		})
	}
}

// A thousand connections at once, each of which is asked and answers.
func TestManyConnections(t *testing.T) {
	const connections = 1000
	w := join(t, config{mtu: 1500})
	l := w.listenLinux(t, linux4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	var wg sync.WaitGroup
	opened, goOn := make(chan bool, connections), make(chan struct{})
	for i := range connections {
		wg.Go(func() {
			c, err := w.dial(l)
			opened <- err == nil
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
				return
			}
			defer c.Close()
			<-goOn // all of them are there
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			text := bytes.Repeat([]byte(fmt.Sprintf("connection %d. ", i)), 100)
			if _, err := c.Write(text); err != nil {
				t.Errorf("connection %d: %v", i, err)
				return
			}
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
				t.Errorf("connection %d: %v, or other bytes", i, err)
			}
		})
	}
	for range connections {
		<-opened
	}
	close(goOn)
	wg.Wait()
	w.clean(t, 0.25) // a machine with much to do is late, and probes for lost tails are sent
}
