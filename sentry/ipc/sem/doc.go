// Package sem has System V semaphores, sysvipc(7).
//
//	Registry  the sets of one IPC namespace
//	Set       semaphores, and who sleeps in semop(2) for them
//	Undo      what a process's end takes back (SEM_UNDO)
//
// The operations of a call are done all or none. One that cannot be done yet is
// left with the set, and done by whoever makes it possible, first come first
// served; the sleeper is told of the outcome. What waits for a zero goes before
// what changes something, as a zero may not last.
//
// A process is known by its number in the root pid namespace.
package sem
