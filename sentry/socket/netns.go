package socket

import (
	"bytes"
	"slices"
	"sync/atomic"

	"hull/sentry/auth"
	"hull/sentry/current"
)

// NetNS is a network namespace, network_namespaces(7): its address families, and
// what else it shows of itself.
//
// Life: NewNetNS with one reference → Networks fills it in → tasks, open sockets
// and files of it each hold a reference → with the last one it is closed.
type NetNS struct {
	User *auth.UserNamespace // immutable: whose capabilities count
	ID   uint32              // immutable: its number in /proc/PID/ns
	// Foreign says that interfaces and routes are those of another kernel, of which
	// this one shows what they were: nobody has a capability towards them. Networks
	// sets it.
	Foreign bool

	// The parts, which Networks sets before anybody else sees the namespace.
	Families Table
	Views    []View
	Control  Controller // nil without a network stack
	OnClose  func()     `snapshot:"-"` // ends what runs for it; nil for nothing

	refs atomic.Int64
}

// Networks makes the parts of network namespaces. Boot implements it.
type Networks interface {
	// Fill sets the parts of a new namespace.
	Fill(ns *NetNS) error
}

// NewNetNS returns a namespace without parts, with one reference.
func NewNetNS(user *auth.UserNamespace, id uint32) *NetNS {
	ns := &NetNS{User: user, ID: id}
	ns.refs.Store(1)
	return ns
}

// IncRef adds a reference.
func (ns *NetNS) IncRef() { ns.refs.Add(1) }

// DecRef drops one. It must be called without locks.
func (ns *NetNS) DecRef() {
	if ns.refs.Add(-1) == 0 && ns.OnClose != nil {
		ns.OnClose()
	}
}

// May reports whether the caller has a capability towards the namespace.
func (ns *NetNS) May(t current.Task, capability int) bool {
	return !ns.Foreign && t.Cred().HasCapIn(ns.User, capability)
}

// View is something that a namespace shows in /proc/net.
type View interface {
	// Names returns the names of its files there.
	Names() []string
	// Show writes one of them.
	Show(name string, w *bytes.Buffer)
}

// ProcNet returns the names of all files in /proc/net, sorted.
func (ns *NetNS) ProcNet() []string {
	var all []string
	for _, v := range ns.Views {
		all = append(all, v.Names()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Show writes the file of that name in /proc/net. It is false if there is none.
func (ns *NetNS) Show(name string, w *bytes.Buffer) bool {
	for _, v := range ns.Views {
		if slices.Contains(v.Names(), name) {
			v.Show(name, w)
			return true
		}
	}
	return false
}

// Controller is the part of a namespace that is asked and changed by other ways
// than sockets: parameters, attributes of interfaces, ioctls.
type Controller interface {
	// Parameters returns the paths below /proc/sys/net, sorted, with the
	// permission bits of their files.
	Parameters() []Parameter
	// Parameter returns a value; SetParameter sets it. ENOENT, EINVAL, EACCES.
	Parameter(path string) (string, error)
	SetParameter(path, value string) error

	// Interfaces returns the names of the interfaces.
	Interfaces() []string
	// Attributes returns the names of the files of an interface in
	// /sys/class/net; those in a directory are named by their path.
	Attributes(nic string) []Parameter
	// Attribute returns what is in one, ENODEV if the interface has gone.
	Attribute(nic, name string) (string, error)
	SetAttribute(nic, name, value string) error

	// Ioctl is an ioctl on a socket of any family that is about interfaces,
	// routes or neighbours; family is the socket's. ENOTTY for others.
	Ioctl(t current.Task, family int32, cmd uint32, arg uintptr) error
}

// Parameter is the name and the permission bits of one.
type Parameter struct {
	Path string
	Mode uint32
}

// InNet is a socket that knows its network namespace. All of them do but those
// of families that have none.
type InNet interface {
	NetNS() *NetNS
	Family() int32 // AF_*
}
