// Package container is the host's side of a sandbox: it turns a bundle or a
// command line into a configuration, starts the sandbox's processes, stays with
// them, and leaves nothing of them behind.
//
//	Run:  configuration ─► gofer  (born as jail.Birth describes it)
//	                    ─► sentry (likewise), with the streams, the gofer's
//	                       socket and the control socket
//	      signals of the caller ─► control socket ─► guest
//	      exit status           ◄─ control socket ◄─ guest
//
// It starts processes and passes descriptors; it imports no part of the sentry.
// It is usable as a library: package cmd adds flags and nothing else.
package container
