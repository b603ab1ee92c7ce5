package container

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/dnsrelay"
	"hull/runsc-like/jail"
	"hull/runsc-like/netconf"
)

// loopbackServers are the name servers in a file (resolv.conf(5)) that are on the
// loopback interface of the container's namespace: docker's. There may be no file.
func loopbackServers(resolver string) []netip.Addr {
	var all []netip.Addr
	if resolver == "" {
		return nil
	}
	for _, a := range nameServers(resolver) {
		if a.Addr().Is4() && a.Addr().IsLoopback() {
			all = append(all, a.Addr())
		}
	}
	return all
}

// startDNSRelay starts a process in the network namespace that asks servers there,
// and returns the guest's end of the line to it. It ends when that is closed.
func (c *Container) startDNSRelay(servers []netip.Addr) (guest *os.File, err error) {
	log, err := os.OpenFile(c.path(logFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	f, err := control.WriteRole(&control.Role{Detached: true, CPUs: runtime.NumCPU(), Servers: servers})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fds, err := dnsrelay.Open()
	if err != nil {
		return nil, err
	}
	far := os.NewFile(uintptr(fds[0]), "resolver")
	defer far.Close()
	guest = os.NewFile(uintptr(fds[1]), "resolver")
	defer func() {
		if err != nil {
			guest.Close()
		}
	}()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	b, err := sentryBirth("dnsrelay", []*os.File{null, log, log, null, far, f}, true)
	if err != nil {
		return nil, err
	}
	b.Namespaces &^= unix.CLONE_NEWNET
	var relay *jail.Process
	err = netconf.Within(c.networkPath(), func() (err error) {
		relay, err = startIn(-1, b, "name relay")
		return err
	})
	if err != nil {
		return nil, err
	}
	if c.Relay, err = processOf(relay.Pid); err == nil {
		if err = c.save(); err == nil {
			err = c.enterLater(c.Relay.PID)
		}
	}
	if err != nil {
		relay.Kill()
		relay.Wait()
		return nil, fmt.Errorf("name relay: %w", err)
	}
	return guest, nil
}
