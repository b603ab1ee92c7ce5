package tun

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/link"
	"hull/netstack/link/tun"
	"hull/netstack/link/virtio"
	"hull/netstack/stack"
	"hull/sentry/current"
	"hull/sentry/usermem"
	"hull/sentry/vfs"
)

const (
	// features are the flags that TUNSETIFF takes besides the kind. IFF_ONE_QUEUE is
	// for nothing, as on Linux; so are the two about NAPI, which is how Linux takes
	// packets in.
	features = unix.IFF_NO_PI | unix.IFF_ONE_QUEUE | unix.IFF_VNET_HDR | unix.IFF_MULTI_QUEUE | unix.IFF_NAPI | unix.IFF_NAPI_FRAGS
	// noCarrier is IFF_NO_CARRIER: a new interface has no carrier.
	noCarrier = 0x40
	// noFilter is IFF_NOFILTER, which the flags of a file without a filter have.
	noFilter  = 0x1000
	ifreqSize = 40
)

// ifreq is struct ifreq with flags.
type ifreq [ifreqSize]byte

func (r *ifreq) name() string {
	b := r[:unix.IFNAMSIZ-1]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func (r *ifreq) flags() uint32 { return uint32(binary.NativeEndian.Uint16(r[unix.IFNAMSIZ:])) }

func (r *ifreq) set(name string, flags uint32) {
	clear(r[:unix.IFNAMSIZ])
	copy(r[:unix.IFNAMSIZ-1], name)
	binary.NativeEndian.PutUint16(r[unix.IFNAMSIZ:], uint16(flags))
}

// Ioctl implements vfs.FileImpl.
func (f *file) Ioctl(t current.Task, _ *vfs.File, cmd uint32, arg uintptr) (uintptr, error) {
	addr := usermem.Addr(arg)
	switch cmd {
	case unix.TUNGETFEATURES:
		v := uint32(unix.IFF_TUN | unix.IFF_TAP | noCarrier | features)
		return 0, usermem.Out(t.Mem(), addr, &v)
	case unix.TUNSETQUEUE:
		r, err := usermem.In[ifreq](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		return 0, f.setQueue(t, r.flags())
	case unix.TUNSETIFF:
		r, err := usermem.In[ifreq](t.Mem(), addr)
		if err != nil {
			return 0, err
		}
		if err := f.setInterface(t, &r); err != nil {
			return 0, err
		}
		return 0, usermem.Out(t.Mem(), addr, &r)
	case unix.TUNSETIFINDEX:
		if f.queue.Load() != nil {
			return 0, unix.EPERM
		}
		v, err := usermem.In[int32](t.Mem(), addr)
		if err == nil && v < 0 {
			err = unix.EINVAL
		}
		if err == nil {
			f.index.Store(v)
		}
		return 0, err
	}
	d, q, err := f.device()
	if err != nil {
		return 0, err
	}
	n := nic(d)
	if n == nil {
		return 0, errBadFD
	}
	return 0, f.control(t, d, q, n, cmd, arg)
}

// control is the ioctls about a device.
func (f *file) control(t current.Task, d *tun.Device, q *tun.Queue, n *stack.NIC, cmd uint32, arg uintptr) error {
	addr := usermem.Addr(arg)
	switch cmd {
	case unix.TUNGETIFF:
		r, err := usermem.In[ifreq](t.Mem(), addr)
		if err != nil {
			return err
		}
		i := d.Info()
		flags := i.Flags | noFilter
		if i.Persist {
			flags |= unix.IFF_PERSIST
		}
		if q.Rests() {
			flags |= unix.IFF_DETACH_QUEUE
		}
		r.set(n.Name(), flags)
		return usermem.Out(t.Mem(), addr, &r)
	case unix.TUNSETPERSIST:
		d.Change(func(i *tun.Info) { i.Persist = arg != 0 })
		return nil
	case unix.TUNSETOWNER:
		if !f.ns.User.HasUID(uint32(arg)) {
			return unix.EINVAL
		}
		d.Change(func(i *tun.Info) { i.Owner = uint32(arg) })
		return nil
	case unix.TUNSETGROUP:
		if !f.ns.User.HasGID(uint32(arg)) {
			return unix.EINVAL
		}
		d.Change(func(i *tun.Info) { i.Group = uint32(arg) })
		return nil
	case unix.TUNSETLINK:
		switch kind := d.Kind(); {
		case n.Info().Flags&unix.IFF_UP != 0:
			return unix.EBUSY
		case link.Kind(arg) != kind:
			t.Note("TUNSETLINK: the frames of a link stay what they are")
			return unix.EINVAL
		}
		return nil
	case unix.TUNSETOFFLOAD:
		return setOffload(d, arg)
	case unix.TUNGETSNDBUF:
		v := f.sndBuf.Load()
		return usermem.Out(t.Mem(), addr, &v)
	case unix.TUNSETSNDBUF:
		return setInt(t, addr, 1, &f.sndBuf)
	case unix.TUNGETVNETHDRSZ:
		v := f.vnet.Load()
		return usermem.Out(t.Mem(), addr, &v)
	case unix.TUNSETVNETHDRSZ:
		return f.setHeader(t, addr)
	case unix.TUNSETNOCSUM, unix.TUNSETDEBUG: // of old, and for nothing
		return nil
	case unix.SIOCGIFHWADDR:
		var r ifreq
		a := n.Address()
		r.set(n.Name(), uint32(d.Kind()))
		copy(r[unix.IFNAMSIZ+2:], a[:])
		return usermem.Out(t.Mem(), addr, &r)
	case unix.SIOCSIFHWADDR:
		r, err := usermem.In[ifreq](t.Mem(), addr)
		if err != nil {
			return err
		}
		if !d.Tap() {
			return unix.EOPNOTSUPP
		}
		a := link.Address(r[unix.IFNAMSIZ+2:])
		return n.Change(stack.Change{Address: &a})
	case unix.TUNSETCARRIER:
		v, err := usermem.In[uint32](t.Mem(), addr)
		if err == nil {
			n.LinkChanged(v != 0, 0)
		}
		return err
	}
	return unix.EINVAL
}

// setInt sets a value from an int that is at least low: EINVAL.
func setInt(t current.Task, addr usermem.Addr, low int32, to interface{ Store(int32) }) error {
	v, err := usermem.In[int32](t.Mem(), addr)
	if err == nil && v < low {
		err = unix.EINVAL
	}
	if err == nil {
		to.Store(v)
	}
	return err
}

// maxHeader bounds the header before a packet.
const maxHeader = 256

// setHeader is TUNSETVNETHDRSZ: EINVAL for a header that is less than what is in it.
func (f *file) setHeader(t current.Task, addr usermem.Addr) error {
	v, err := usermem.In[int32](t.Mem(), addr)
	if err == nil && (v < virtio.HeaderSize || v > maxHeader) {
		err = unix.EINVAL
	}
	if err == nil {
		f.vnet.Store(v)
	}
	return err
}

// setOffload is TUNSETOFFLOAD: what the reader does by itself. EINVAL for kinds of
// segments that are not.
func setOffload(d *tun.Device, arg uintptr) error {
	const (
		csum, tso4, tso6, ecn, uso4, uso6 = 1, 2, 4, 8, 0x20, 0x40
	)
	var o link.Offload
	if arg&csum != 0 {
		o |= link.TxChecksum
		if arg&tso4 != 0 {
			o |= link.TSO4
		}
		if arg&tso6 != 0 {
			o |= link.TSO6
		}
		if arg&(uso4|uso6) == uso4|uso6 {
			o |= link.USO
		}
		if arg&ecn != 0 && arg&(tso4|tso6) == 0 || arg&uso4 != 0 != (arg&uso6 != 0) {
			return unix.EINVAL
		}
		arg &^= csum | tso4 | tso6 | ecn | uso4 | uso6
	}
	if arg != 0 {
		return unix.EINVAL
	}
	d.SetOffload(o)
	return nil
}

// mayUse reports whether the caller may attach to a device: its owner, one of its
// group, anybody to one that has neither, and who may change the network.
func (f *file) mayUse(t current.Task, d *tun.Device) bool {
	i, c := d.Info(), t.Cred()
	return (i.Owner == tun.NoID || i.Owner == c.EUID) && (i.Group == tun.NoID || c.InEGroup(i.Group)) || f.ns.May(t, unix.CAP_NET_ADMIN)
}

// setQueue is TUNSETQUEUE: the file's queue gets packets, or none.
func (f *file) setQueue(t current.Task, flags uint32) error {
	d, q, err := f.device()
	if err != nil {
		return unix.EINVAL
	}
	switch {
	case flags&unix.IFF_ATTACH_QUEUE != 0:
		if !f.mayUse(t, d) {
			return unix.EPERM
		}
		return q.Rest(false)
	case flags&unix.IFF_DETACH_QUEUE != 0:
		return q.Rest(true)
	}
	return unix.EINVAL
}

// setInterface is TUNSETIFF: the file is of an interface from now on, which is made
// if there is none of that name. EEXIST if it is of one already, EBUSY, EPERM, EINVAL.
func (f *file) setInterface(t current.Task, r *ifreq) error {
	if f.setting.Swap(true) {
		return unix.EEXIST
	}
	defer f.setting.Store(false)
	if f.queue.Load() != nil {
		return unix.EEXIST
	}
	flags := r.flags()
	if flags&unix.IFF_NAPI_FRAGS != 0 {
		if !f.ns.May(t, unix.CAP_NET_ADMIN) {
			return unix.EPERM
		}
		if flags&unix.IFF_NAPI == 0 || flags&(unix.IFF_TUN|unix.IFF_TAP) != unix.IFF_TAP {
			return unix.EINVAL
		}
	}
	if n := f.stack.NICByName(r.name()); n != nil {
		return f.join(t, n, r)
	}
	return f.create(t, r)
}

// join attaches the file to an interface that is there.
func (f *file) join(t current.Task, n *stack.NIC, r *ifreq) error {
	flags, d := r.flags(), n.Tun()
	switch {
	case flags&unix.IFF_TUN_EXCL != 0:
		return unix.EBUSY
	case d == nil || flags&unix.IFF_TUN != 0 && d.Tap() || flags&unix.IFF_TUN == 0 && (flags&unix.IFF_TAP == 0 || !d.Tap()),
		(flags^d.Info().Flags)&unix.IFF_MULTI_QUEUE != 0:
		return unix.EINVAL
	case !f.mayUse(t, d):
		return unix.EPERM
	}
	q, err := d.Add(f.wake)
	if err != nil {
		return err
	}
	if i := d.Info(); i.Flags&unix.IFF_MULTI_QUEUE == 0 || i.Queues+i.Resting == 1 {
		d.Change(func(i *tun.Info) { i.Flags = i.Flags&^features | flags&features })
	}
	f.queue.Store(q)
	r.set(n.Name(), flags)
	return nil
}

// create makes the interface.
func (f *file) create(t current.Task, r *ifreq) error {
	flags, name := r.flags(), r.name()
	if !f.ns.May(t, unix.CAP_NET_ADMIN) {
		return unix.EPERM
	}
	kind := flags & unix.IFF_TUN
	if kind == 0 {
		kind = flags & unix.IFF_TAP
	}
	switch {
	case kind == 0:
		return unix.EINVAL
	case name == "" && kind == unix.IFF_TUN:
		name = "tun%d"
	case name == "":
		name = "tap%d"
	}
	d := tun.New(kind | flags&features)
	q, err := d.Add(f.wake)
	if err != nil {
		return err
	}
	n, err := f.stack.AddNIC(stack.NICConfig{Name: name, Index: int(f.index.Load()), Kind: stack.KindTun, Link: d})
	if err != nil {
		_ = d.Close()
		return err
	}
	f.queue.Store(q)
	if flags&noCarrier != 0 {
		n.LinkChanged(false, 0)
	}
	r.set(n.Name(), flags)
	return nil
}
