// Package unix has AF_UNIX sockets, unix(7): stream, datagram and
// sequenced-packet, with descriptors and credentials under way.
//
//   - It owns the queues between two sockets and the abstract names; names in
//     the file system are vfs's, whose inodes say which socket is bound to them.
//   - It knows no descriptor number: a file under way is a *vfs.File with a
//     reference.
//
// Locks: recv (rank Socket) lets one receiver at a time take from a socket and
// is held over the copy to the guest; st (rank Leaf) guards the rest and is
// never held over anything. Notification happens with neither.
package unix
