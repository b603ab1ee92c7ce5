// Package netconf takes over the network of a namespace of the host: what is
// configured there is read, each interface is opened as a packet socket, and its
// addresses are taken away, for they are the guest's from then on. The host's
// kernel would answer for them otherwise.
//
//	Read   what is there, with the sockets; changes nothing
//	Strip  takes the addresses away
//	Return gives back what Strip took, to a namespace that lives on
//
// Who calls it may enter the namespace: CAP_SYS_ADMIN, and CAP_NET_ADMIN and
// CAP_NET_RAW in its user namespace. It leaves nothing of its own there; the
// namespace and its interfaces are the caller's. It knows nothing of containers.
package netconf
