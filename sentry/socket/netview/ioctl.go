package netview

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/usermem"
)

// The ioctls, netdevice(7), linux/sockios.h, and what of them x/sys lacks.
const (
	siocAddRT      = 0x890b
	siocDelRT      = 0x890c
	siocIfName     = 0x8910
	siocIfConf     = 0x8912
	siocDelAddr    = 0x8936
	siocDelARP     = 0x8953
	siocGetARP     = 0x8954
	siocSetARP     = 0x8955
	siocEthtool    = 0x8946
	siocAddBridge  = 0x89a0
	siocDelBridge  = 0x89a1
	siocAddPort    = 0x89a2
	siocDelPort    = 0x89a3
	siocGetTxQLen  = 0x8942
	siocSetTxQLen  = 0x8943
	siocIfMap      = 0x8970
	siocSetHWStamp = 0x89b0
	siocGetHWStamp = 0x89b1
	siocPrivate    = 0x89f0
)

// ifreq is struct ifreq.
type ifreq struct {
	Name  [unix.IFNAMSIZ]byte
	Value [24]byte
}

func (r *ifreq) name() string {
	n := r.Name[:len(r.Name)-1]
	if i := bytes.IndexByte(n, 0); i >= 0 {
		n = n[:i]
	}
	return string(n)
}

func (r *ifreq) setInt(v int)  { binary.LittleEndian.PutUint32(r.Value[:], uint32(int32(v))) }
func (r *ifreq) int() int      { return int(int32(binary.LittleEndian.Uint32(r.Value[:]))) }
func (r *ifreq) short() uint16 { return binary.LittleEndian.Uint16(r.Value[:]) }

// setAddr makes the value a struct sockaddr_in.
func (r *ifreq) setAddr(a netip.Addr) {
	r.Value = [24]byte{unix.AF_INET}
	if a = a.Unmap(); a.Is4() {
		x := a.As4()
		copy(r.Value[4:], x[:])
	}
}

func (r *ifreq) addr() netip.Addr { return netip.AddrFrom4([4]byte(r.Value[4:8])) }

// Ioctl implements socket.Controller.
func (v *View) Ioctl(t current.Task, family int32, cmd uint32, arg uintptr) error {
	addr := usermem.Addr(arg)
	switch cmd {
	case siocIfConf:
		return v.ifConf(t, addr)
	case siocAddRT, siocDelRT:
		if family == unix.AF_INET6 {
			return v.changeRoute6(t, addr, cmd == siocAddRT)
		}
		return v.changeRoute(t, addr, cmd == siocAddRT)
	case siocGetARP, siocSetARP, siocDelARP:
		return v.arpIoctl(t, addr, cmd)
	case siocAddBridge, siocDelBridge:
		return v.bridge(t, addr, cmd == siocAddBridge)
	}
	if family == unix.AF_INET6 && (cmd == unix.SIOCSIFADDR || cmd == siocDelAddr) {
		return v.changeAddr6(t, addr, cmd == unix.SIOCSIFADDR)
	}
	if cmd == siocGetHWStamp || cmd == siocSetHWStamp {
		return v.hardwareStamps(t, addr, cmd == siocSetHWStamp)
	}
	if cmd >= siocPrivate && cmd <= siocPrivate+15 {
		return unix.EOPNOTSUPP // of drivers, of which none has any
	}
	kind := kindOf(cmd)
	if kind == unknown || kind == address && family != unix.AF_INET && family != unix.AF_PACKET {
		return unix.ENOTTY
	}
	r, err := usermem.In[ifreq](t.Mem(), addr)
	if err != nil {
		return err
	}
	if cmd == siocIfName {
		n := v.stack.NIC(r.int())
		if n == nil {
			return unix.ENODEV
		}
		r.Name = [unix.IFNAMSIZ]byte{}
		copy(r.Name[:unix.IFNAMSIZ-1], n.Info().Name)
		return usermem.Out(t.Mem(), addr, &r)
	}
	changes := kind == setter || isAddressSetter(cmd)
	if changes && !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	label := r.name()
	base, _, alias := strings.Cut(label, ":")
	n, err := v.nic(base)
	if err != nil {
		return err
	}
	switch {
	case alias && cmd == unix.SIOCSIFFLAGS:
		return flagAlias(n, label, r.short())
	case cmd == siocEthtool:
		return v.ethtool(t, n, usermem.Addr(binary.LittleEndian.Uint64(r.Value[:])))
	case kind == address && changes:
		return setAddress(n, label, cmd, r.addr())
	case kind == address:
		err = getAddress(n, label, cmd, &r)
	case changes:
		return v.set(n, cmd, &r)
	default:
		err = get(n, cmd, &r)
	}
	if err != nil {
		return err
	}
	return usermem.Out(t.Mem(), addr, &r)
}

// hardwareStamps is SIOCGHWTSTAMP and SIOCSHWTSTAMP: no interface has a clock of its own.
func (v *View) hardwareStamps(t current.Task, addr usermem.Addr, set bool) error {
	r, err := usermem.In[ifreq](t.Mem(), addr)
	if err != nil {
		return err
	}
	if set && !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	if _, err := v.nic(r.name()); err != nil {
		return err
	}
	if set {
		var config [12]byte // struct hwtstamp_config
		if _, err := t.Mem().CopyIn(usermem.Addr(binary.LittleEndian.Uint64(r.Value[:])), config[:]); err != nil {
			return err
		}
	}
	return unix.EOPNOTSUPP
}

// What an ioctl with a struct ifreq does.
const (
	unknown = iota
	getter
	setter
	address // of IPv4
)

func kindOf(cmd uint32) int {
	switch cmd {
	case siocIfName, unix.SIOCGIFFLAGS, unix.SIOCGIFMETRIC, unix.SIOCGIFMTU, unix.SIOCGIFHWADDR, unix.SIOCGIFINDEX,
		siocGetTxQLen, siocIfMap, siocEthtool:
		return getter
	case unix.SIOCSIFFLAGS, unix.SIOCSIFMETRIC, unix.SIOCSIFMTU, unix.SIOCSIFHWADDR, unix.SIOCSIFNAME, siocSetTxQLen,
		siocAddPort, siocDelPort:
		return setter
	case unix.SIOCGIFADDR, unix.SIOCGIFDSTADDR, unix.SIOCGIFBRDADDR, unix.SIOCGIFNETMASK:
		return address
	}
	if isAddressSetter(cmd) {
		return address
	}
	return unknown
}

func isAddressSetter(cmd uint32) bool {
	switch cmd {
	case unix.SIOCSIFADDR, unix.SIOCSIFDSTADDR, unix.SIOCSIFBRDADDR, unix.SIOCSIFNETMASK:
		return true
	}
	return false
}

// get answers what is asked of an interface.
func get(n *stack.NIC, cmd uint32, r *ifreq) error {
	i := n.Info()
	switch cmd {
	case unix.SIOCGIFFLAGS:
		r.Value = [24]byte{}
		binary.LittleEndian.PutUint16(r.Value[:], uint16(i.Flags))
	case unix.SIOCGIFMETRIC:
		r.setInt(0)
	case unix.SIOCGIFMTU:
		r.setInt(i.MTU)
	case unix.SIOCGIFINDEX:
		r.setInt(i.Index)
	case siocGetTxQLen:
		r.setInt(i.TxQLen)
	case siocIfMap:
		r.Value = [24]byte{}
	case unix.SIOCGIFHWADDR:
		r.Value = [24]byte{}
		binary.LittleEndian.PutUint16(r.Value[:], uint16(i.HWType))
		copy(r.Value[2:], i.Address[:])
	}
	return nil
}

// set changes an interface.
func (v *View) set(n *stack.NIC, cmd uint32, r *ifreq) error {
	switch cmd {
	case unix.SIOCSIFFLAGS:
		return n.Change(stack.Change{Flags: uint32(r.short()) & settableFlags, FlagsMask: settableFlags})
	case unix.SIOCSIFMETRIC:
		return unix.EOPNOTSUPP
	case unix.SIOCSIFMTU:
		mtu := r.int()
		return n.Change(stack.Change{MTU: &mtu})
	case siocSetTxQLen:
		length := r.int()
		if length < 0 {
			return unix.EINVAL
		}
		return n.Change(stack.Change{TxQLen: &length})
	case unix.SIOCSIFHWADDR:
		if link.Kind(r.short()) != n.Info().HWType {
			return unix.EINVAL
		}
		a := link.Address(r.Value[2:8])
		return n.Change(stack.Change{Address: &a})
	case unix.SIOCSIFNAME:
		to := ifreq{}
		copy(to.Name[:], r.Value[:unix.IFNAMSIZ])
		name := to.name()
		return n.Change(stack.Change{Name: &name})
	}
	return v.port(n, r.int(), cmd == siocAddPort)
}

// port puts an interface, by index, under the bridge n or takes it away.
func (v *View) port(n *stack.NIC, index int, join bool) error {
	p := v.stack.NIC(index)
	if n.Info().Kind != stack.KindBridge || p == nil {
		return unix.EINVAL
	}
	master := n.Index()
	if !join {
		if p.Info().Master != master {
			return unix.EINVAL
		}
		master = 0
	}
	return p.Change(stack.Change{Master: &master})
}

// bridge adds or removes a bridge whose name is at addr.
func (v *View) bridge(t current.Task, addr usermem.Addr, add bool) error {
	if !v.net.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	var r ifreq
	if _, err := t.Mem().CopyIn(addr, r.Name[:]); err != nil {
		return err
	}
	if add {
		_, err := v.stack.AddNIC(stack.NICConfig{Name: r.name(), Kind: stack.KindBridge})
		return err
	}
	n := v.stack.NICByName(r.name())
	switch {
	case n == nil:
		return unix.ENXIO
	case n.Info().Kind != stack.KindBridge:
		return unix.EPERM
	case n.Info().Flags&unix.IFF_UP != 0:
		return unix.EBUSY
	}
	return v.stack.RemoveNIC(n.Index())
}

// ifConf is SIOCGIFCONF: a struct ifreq for each address of IPv4.
func (v *View) ifConf(t current.Task, addr usermem.Addr) error {
	type ifconf struct {
		Len int32
		_   int32
		Buf uint64
	}
	const sizeofIfreq = 40
	c, err := usermem.In[ifconf](t.Mem(), addr)
	if err != nil {
		return err
	}
	done := int32(0)
	for _, n := range v.stack.NICs() {
		name := n.Info().Name
		for _, a := range n.Addrs() {
			if !a.Prefix.Addr().Is4() {
				continue
			}
			var r ifreq
			copy(r.Name[:unix.IFNAMSIZ-1], name)
			if a.Label != "" {
				r.Name = [unix.IFNAMSIZ]byte{}
				copy(r.Name[:unix.IFNAMSIZ-1], a.Label)
			}
			r.setAddr(a.Prefix.Addr())
			if c.Buf != 0 {
				if c.Len-done < sizeofIfreq {
					break
				}
				if err := usermem.Out(t.Mem(), usermem.Addr(c.Buf)+usermem.Addr(done), &r); err != nil {
					return err
				}
			}
			done += sizeofIfreq
		}
	}
	c.Len = done
	return usermem.Out(t.Mem(), addr, &c)
}
