package cmd

import (
	"encoding/json"
	"fmt"
	"os"

	"hull/netstack/buffer"
	"hull/netstack/link/pipe"
	"hull/runsc-like/control"
	"hull/runsc-like/dnsrelay"
	"hull/runsc-like/jail"
	"hull/runsc-like/netproxy"
)

// proxy is the process that makes a guest's connections, inside its jail. It ends
// with the guest's end of the link.
func proxy(cfg *control.Role) (int, error) {
	var c netproxy.Config
	if err := json.Unmarshal(cfg.Proxy, &c); err != nil {
		return 0, fmt.Errorf("network proxy: configuration: %w", err)
	}
	c.Denied = func(line string) { fmt.Fprintf(os.Stderr, "hull: network: %s\n", line) }
	pool := &buffer.Pool{}
	link, err := pipe.New(control.FDLink, pool, netproxy.MTU, netproxy.HostMAC())
	if err != nil {
		return 0, err
	}
	netproxy.Warm()
	if err := jail.Seal(jail.ProxyRules(), denied(cfg)); err != nil {
		return 0, err
	}
	p, err := netproxy.New(c, link, pool)
	if err != nil {
		return 0, err
	}
	p.Wait()
	return 0, nil
}

// relay is the process that asks name servers for a guest, inside its jail.
func relay(cfg *control.Role) (int, error) {
	netproxy.Warm()
	if err := jail.Seal(jail.ProxyRules(), denied(cfg)); err != nil {
		return 0, err
	}
	return 0, dnsrelay.Serve(control.FDLink, cfg.Servers)
}
