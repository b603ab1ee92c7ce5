package stack

import (
	"maps"

	"golang.org/x/sys/unix"
)

// addVLAN makes v the interface of its VLAN on n: EEXIST. The caller holds the
// stack's lock.
func (n *NIC) addVLAN(v *NIC) error {
	vs := map[uint16]*NIC{}
	if old := n.vlans.Load(); old != nil {
		vs = maps.Clone(*old)
	}
	if vs[v.vlan] != nil {
		return unix.EEXIST
	}
	vs[v.vlan] = v
	n.vlans.Store(&vs)
	return nil
}

// dropVLAN undoes it.
func (n *NIC) dropVLAN(v *NIC) {
	old := n.vlans.Load()
	if old == nil || (*old)[v.vlan] != v {
		return
	}
	vs := maps.Clone(*old)
	delete(vs, v.vlan)
	n.vlans.Store(&vs)
}

// vlanList is the interfaces of VLANs on n.
func (n *NIC) vlanList() []*NIC {
	var all []*NIC
	if vs := n.vlans.Load(); vs != nil {
		for _, v := range *vs {
			all = append(all, v)
		}
	}
	return all
}
