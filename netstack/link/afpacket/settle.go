package afpacket

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// settleTime bounds how long an interface is waited for.
const settleTime = 200 * time.Millisecond

// ethtoolValue is struct ethtool_value (linux/ethtool.h).
type ethtoolValue struct{ cmd, data uint32 }

// ethtoolRequest is struct ifreq with a pointer.
type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte // the rest of its union
}

// settle waits until Linux has taken note of an interface's carrier.
//
// It does so some time after the carrier came, by a worker, and drops without a
// word what is sent before: the first frame, mostly an ARP message, which is
// repeated after a second. Asked for the state of the link, Linux 6.8 and later
// does what is due at once; of an older one the flag IFF_RUNNING says when it has.
func settle(fd, index int) error {
	name, err := nameOf(fd, index)
	if err != nil {
		return err
	}
	for end := time.Now().Add(settleTime); ; time.Sleep(time.Millisecond) {
		carrier := linkOf(fd, name)
		r, err := unix.NewIfreq(name)
		if err != nil {
			return fmt.Errorf("interface %q: %w", name, err)
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
			return fmt.Errorf("flags of %s: %w", name, err)
		}
		due := carrier && r.Uint16()&(unix.IFF_UP|unix.IFF_RUNNING) == unix.IFF_UP
		if !due || time.Now().After(end) { // one that is dormant does not get there
			return nil
		}
	}
}

func nameOf(fd, index int) (string, error) {
	r, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	r.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, r); err != nil {
		return "", fmt.Errorf("name of interface %d: %w", index, err)
	}
	return r.Name(), nil
}

// linkOf reports whether an interface has a carrier, as far as its driver says.
func linkOf(fd int, name string) bool {
	v := ethtoolValue{cmd: unix.ETHTOOL_GLINK}
	r := ethtoolRequest{data: unsafe.Pointer(&v)}
	copy(r.name[:len(r.name)-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
	return errno == 0 && v.data != 0
}
