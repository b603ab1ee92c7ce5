package container

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"hull/runsc-like/control"
	"hull/runsc-like/dnsrelay"
	"hull/runsc-like/jail"
	"hull/runsc-like/netconf"
)

// loopbackServers are the name servers of a container that are on its namespace's
// loopback interface: docker's, in the file that it mounts.
func loopbackServers(s *specs.Spec) []netip.Addr {
	var all []netip.Addr
	for _, m := range s.Mounts {
		if m.Type != "bind" || filepath.Clean(m.Destination) != "/etc/resolv.conf" {
			continue
		}
		for _, a := range nameServers(m.Source) {
			if a.Addr().Is4() && a.Addr().IsLoopback() {
				all = append(all, a.Addr())
			}
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
	own := &control.Role{
		Jail: jail.Confinement{FDs: control.ProxyFDs}, Detached: true, CPUs: runtime.NumCPU(), Servers: servers,
	}
	f, err := control.WriteRole(own)
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
	var relay *exec.Cmd
	relay, err = sentryCommand([]*os.File{null, log, log, null, far, f}, &control.Config{Role: *own})
	if err != nil {
		return nil, err
	}
	relay.Args = []string{"hull", "dnsrelay"}
	relay.SysProcAttr.Cloneflags &^= unix.CLONE_NEWNET
	if err = netconf.Within(c.networkPath(), func() error { return startIn(-1, relay, "name relay") }); err != nil {
		return nil, err
	}
	if c.Relay, err = processOf(relay.Process.Pid); err == nil {
		if err = c.save(); err == nil {
			err = c.enterLater(c.Relay.PID)
		}
	}
	if err != nil {
		_ = relay.Process.Kill()
		_ = relay.Wait() // it was killed
		return nil, fmt.Errorf("name relay: %w", err)
	}
	return guest, relay.Process.Release()
}
