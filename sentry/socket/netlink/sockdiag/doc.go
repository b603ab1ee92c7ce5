// Package sockdiag answers NETLINK_SOCK_DIAG, sock_diag(7): which sockets there
// are, as ss(8) asks for it, with the filters that ss compiles; and ends them
// (`ss -K`).
//
// It owns no state. Sockets of the internet and packet sockets are asked of the
// stack, those of AF_UNIX and netlink of their own families.
package sockdiag
