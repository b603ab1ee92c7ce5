// Package ipc has what the kinds of inter-process communication share: numbers
// that root tunes in /proc/sys, and the identity and permissions of System V
// objects.
//
//   - It knows no kind: message queues, semaphores and shared memory are the
//     packages below it, POSIX message queues are a file system.
//   - It may not know tasks but as current.Task.
package ipc
