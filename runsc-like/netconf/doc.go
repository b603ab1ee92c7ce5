// Package netconf takes over the network of a namespace of the host: what is
// configured there is read, each interface is opened as a packet socket, and the
// host's kernel is made deaf, for its addresses are the guest's from then on: it
// would answer for them otherwise.
//
//	Read   what is there, with the sockets; changes nothing
//	Take   makes the host's kernel deaf there
//	Watch  hears of what changes there; ReadAgain and Compare say what
//	Return makes a namespace that lives on as it was before
//
// Who calls it may enter the namespace: CAP_SYS_ADMIN, and CAP_NET_ADMIN and
// CAP_NET_RAW in its user namespace. It leaves nothing of its own there; the
// namespace and its interfaces are the caller's. It knows nothing of containers.
package netconf
