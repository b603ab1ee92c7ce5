// Package jail is the outer hull: what the sentry and the gofer are locked into
// before they look at anything a guest made.
//
//   - A Birth comes first: a process is cloned into new user, mount, pid, net, ipc,
//     uts and cgroup namespaces, in which it replaces the root by an empty
//     read-only one (for the gofer: one with nothing but its roots), drops every
//     capability that the role does not need, closes what it was not given, and
//     executes the binary anew, so that every thread of the role is born inside.
//     Until then it is a list of host calls (plan.go), no program of Go.
//   - Seal comes last, in the new image: not dumpable, and a seccomp filter.
//   - The filters are tables of Rule, each with its reason: they are the attack
//     surface. `hull debug seccomp` prints them, a golden file holds them, and a
//     host call that is not in the table kills the process.
//
// It knows nothing of what its processes do inside: no sentry, no gofer protocol.
package jail
