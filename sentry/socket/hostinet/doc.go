// Package hostinet has AF_INET and AF_INET6 sockets that are sockets of the host,
// in the network namespace that the sentry is in: the guest's connections are the
// host kernel's. It is for measuring what hull's own stack costs, and is used only
// where somebody asked for it by name (--network=host).
//
//   - It owns the host's descriptors: one a socket, never blocking, and two epoll
//     instances that tell their wait queues (poller.go).
//   - What reaches the host is listed: two types of sockets, the flags of messages,
//     control messages and options (control.go, options.go). The rest is refused
//     here, and by the sentry's seccomp filter again.
//   - Bytes go between the host's socket and the guest's pages without a copy here.
//   - It knows no interface, route or address: those are shown by a stack that
//     holds a snapshot of the namespace's, which is nobody's to change.
package hostinet
