// Package kernel has the things that run: tasks, thread groups, process groups,
// sessions, pid namespaces; and what makes them run, stop and end: clone,
// execve, exit, wait, signals, the run loop, the one way to block.
//
//   - What a task merely has (files, memory, credentials, limits, timers) is a
//     type of a package below; Task holds a pointer.
//   - It constructs nothing that it can be given: file systems, socket families,
//     the platform and the system call table come from boot.
//   - It imports no fsimpl, no netstack and not syscalls.
//
// One goroutine a task runs Task.run until the task exits; fields under own are
// that goroutine's alone. The tree of tasks is guarded by Kernel.tasks (rank
// TaskSet), signals of a thread group by its sig lock (rank TaskSignal).
package kernel
