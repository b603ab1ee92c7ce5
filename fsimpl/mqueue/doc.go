// Package mqueue is POSIX message queues, mq_overview(7): a file system with one
// directory, whose files are queues.
//
//   - It owns the queues of an IPC namespace, their messages and their limits.
//     All mounts of it show the same queues, and the mq_* calls need no mount.
//   - It does not know the kernel: who is told of a message is an interface.
//
// Locks: the directory's, then a queue's. A waiter has no lock of its own.
package mqueue
