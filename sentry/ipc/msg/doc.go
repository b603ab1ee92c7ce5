// Package msg has System V message queues, sysvipc(7).
//
//	Registry  the queues of one IPC namespace
//	Queue     messages in the order of arrival, and who sleeps for some or for room
//
// A message that somebody sleeps for is handed over without being queued, so that
// nobody comes in between; who sleeps for room tries again.
//
// A process is known by its number in the root pid namespace. It moves bytes that
// were copied in already: guest memory is its callers' affair.
package msg
