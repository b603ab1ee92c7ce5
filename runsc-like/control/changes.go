package control

import (
	"fmt"
	"os"
)

// Changes are what has become of a namespace's network since the guest has it: what
// comes with a message of kind Rewire, as a sealed file. New interfaces come with a
// Connect.
type Changes struct {
	// Gone are the indices of interfaces that are not there any more.
	Gone   []int        `json:"gone,omitempty"`
	Links  []LinkChange `json:"links,omitempty"`
	Routes []Route      `json:"routes,omitempty"` // new ones
	Lost   []Route      `json:"lost,omitempty"`   // old ones that are not there any more
}

// LinkChange is what changed of an interface.
type LinkChange struct {
	Index   int    `json:"index"`
	MTU     int    `json:"mtu"`
	Carrier bool   `json:"carrier"`
	Addrs   []Addr `json:"addrs,omitempty"` // new ones
	Lost    []Addr `json:"lost,omitempty"`
}

// Empty reports whether nothing changed.
func (c *Changes) Empty() bool {
	return len(c.Gone) == 0 && len(c.Links) == 0 && len(c.Routes) == 0 && len(c.Lost) == 0
}

// check checks that c is within the bounds of a network.
func (c *Changes) check() error {
	if len(c.Gone) > MaxLinks || len(c.Links) > MaxLinks || max(len(c.Routes), len(c.Lost)) > maxEntries {
		return fmt.Errorf("more than %d interfaces or %d routes", MaxLinks, maxEntries)
	}
	for _, l := range c.Links {
		if l.MTU < 0 || l.MTU > maxMTU || max(len(l.Addrs), len(l.Lost)) > maxEntries {
			return fmt.Errorf("interface %d: MTU %d, or more than %d addresses", l.Index, l.MTU, maxEntries)
		}
		for _, a := range append(l.Addrs[:len(l.Addrs):len(l.Addrs)], l.Lost...) {
			if !a.Prefix.IsValid() {
				return fmt.Errorf("interface %d: an address that is none", l.Index)
			}
		}
	}
	return nil
}

// WriteChanges returns a sealed memory file that holds c.
func WriteChanges(c *Changes) (*os.File, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return seal(c)
}

// ReadChanges reads what WriteChanges wrote.
func ReadChanges(f *os.File) (*Changes, error) {
	c := &Changes{}
	err := unseal(f, c)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return c, nil
}
