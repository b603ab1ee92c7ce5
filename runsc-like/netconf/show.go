package netconf

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"hull/runsc-like/control"
)

// Show reads the network of the namespace at path as something to look at: all its
// interfaces, without sockets for their packets. The caller's own may be read by
// anybody.
func Show(path string) (*control.Network, error) {
	n := &Network{show: true}
	own, err := Identify("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	there, err := Identify(path)
	if err != nil {
		return nil, err
	}
	if there != own {
		return &n.Network, within(path, n.read)
	}
	h, err := netlink.NewHandle()
	if err != nil {
		return nil, fmt.Errorf("network: netlink: %w", err)
	}
	defer h.Close()
	return &n.Network, n.read(h)
}

// Prepare sets parameters of the namespace at path, by their names (sysctl(8)).
func Prepare(path string, sysctls map[string]string) error {
	if len(sysctls) == 0 {
		return nil
	}
	return within(path, func(*netlink.Handle) error {
		for _, key := range slices.Sorted(maps.Keys(sysctls)) {
			if err := setSysctl(key, sysctls[key]); err != nil {
				return fmt.Errorf("linux.sysctl[%q]: %w", key, err)
			}
		}
		return nil
	})
}

// SysctlPath is where a parameter is below /proc/sys/net. Of dot and slash the first
// one in a name separates, and the other is part of a name.
func SysctlPath(key string) (string, error) {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		key = strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	path, ok := strings.CutPrefix(filepath.Clean("/"+key), "/net/")
	if !ok {
		return "", errors.New("is not of the network")
	}
	return path, nil
}

// setSysctl sets a parameter of the calling thread's namespace.
func setSysctl(key, value string) error {
	path, err := SysctlPath(key)
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is none of the host's kernel")
	}
	return err
}

// shown is a link that is only to be looked at; false if there is no way to show it.
func shown(a *netlink.LinkAttrs) bool {
	switch a.EncapType {
	case "ether", "none":
		return true
	}
	return a.Flags&net.FlagLoopback != 0
}
