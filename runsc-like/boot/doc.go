// Package boot makes a sandbox's kernel out of its parts, inside the sandbox
// process, and is its side of the control socket.
//
//	platform ─► jail.Seal ─► memory, clocks, vDSO, kernel ─► file systems,
//	mounts ─► standard streams ─► first process ─► signals in, status out
//
// It is the only package that knows every implementation: kernel, vfs and the
// system call table are handed what they are to use. Nothing is registered by
// itself; what a sandbox has can be read here.
package boot
