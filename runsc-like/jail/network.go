package jail

import (
	"encoding/binary"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Parameter is one of a network namespace.
type Parameter struct {
	Name  string // as a configuration has it, for errors
	Path  string // below /proc/sys/net
	Value string
}

// NewNetwork is how a network namespace of the process's own is set up: its
// loopback interface is up, and it has the parameters. A user who started the process
// has no way into the namespace, the process has.
type NewNetwork struct{ Parameters []Parameter }

// setUp adds that. The next descriptor that the process gets has the number next.
func (n *NewNetwork) setUp(p *plan, next int) {
	const ifreqSize = 40
	request := make([]byte, ifreqSize)
	copy(request, "lo")
	binary.NativeEndian.PutUint16(request[unix.IFNAMSIZ:], unix.IFF_UP)
	const what = "loopback interface"
	p.do(what+": socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).needs(next)
	p.do(what+": up", unix.SYS_IOCTL, uint64(next), unix.SIOCSIFFLAGS, p.bytes(request))
	p.do(what+": close", unix.SYS_CLOSE, uint64(next))
	for _, v := range n.Parameters {
		what := "linux.sysctl: " + v.Name
		p.do(what, unix.SYS_OPENAT, here, p.text(filepath.Join("/proc/sys/net", v.Path)), unix.O_WRONLY|unix.O_CLOEXEC).needs(next)
		p.do(what, unix.SYS_WRITE, uint64(next), p.bytes([]byte(v.Value)), uint64(len(v.Value))).needs(len(v.Value))
		p.do(what, unix.SYS_CLOSE, uint64(next))
	}
}
