package uevent

import (
	"strings"
	"testing"

	"hull/netstack/stack"
)

// An interface is new once, and gone once.
func TestTexts(t *testing.T) {
	w := &watch{known: map[int]string{1: "lo"}}
	info := func(index int, name string) stack.NICInfo {
		return stack.NICInfo{Index: index, Name: name, Kind: stack.KindBridge}
	}
	for _, c := range []struct {
		e    stack.Event
		n    int
		want string
	}{
		{stack.Event{NIC: info(1, "lo")}, 0, ""},
		{stack.Event{NIC: info(2, "br0")}, 3, "add@/devices/virtual/net/br0\x00ACTION=add\x00DEVPATH=/devices/virtual/net/br0\x00SUBSYSTEM=net\x00INTERFACE=br0\x00IFINDEX=2\x00DEVTYPE=bridge\x00"},
		{stack.Event{NIC: info(2, "br0")}, 0, ""},
		{stack.Event{NIC: info(2, "br1")}, 1, "move@/devices/virtual/net/br1\x00"},
		{stack.Event{NIC: info(2, "br1"), Removed: true}, 3, "remove@/devices/virtual/net/br1\x00"},
		{stack.Event{NIC: info(2, "br1")}, 3, "add@"},
	} {
		got := w.texts(c.e)
		if len(got) != c.n || c.n > 0 && !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%+v: %q", c.e, got)
		}
	}
}
