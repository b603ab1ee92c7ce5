// Package shm has System V shared memory, sysvipc(7): segments with a key, an
// owner and a count of those who have it mapped.
//
//	Registry  the segments of one IPC namespace
//	Segment   one: a Mappable over memory that its maker brought
//
// Life of a segment: Get makes it → attached and detached any number of times →
// Remove, after which nobody finds its key; its memory goes when nobody has it
// mapped any more.
//
// It owns who may do what, and the counting; where a segment is mapped is mm's.
package shm
