// Package cgroup puts a container's host processes into control groups and sets
// their limits: the sentry, whose memory and time are the guest's, and the
// gofer.
//
//	New(spec, id)  ─► Make ─► Within, Limit ─► Update, Freeze / Thaw, Stats …
//	              or Apply(pids…)  │ State (written to the container's state file)
//	Open(state)  ◄─────────────────┘
//	Kill, Destroy: at the end, or what is left of it after a crash
//
// New only computes; nothing exists before Make or Apply. A Manager that was opened from
// a state works on the paths in it, wherever the caller itself is by then.
//
// The controllers' files are written by github.com/opencontainers/cgroups, which
// knows v1, v2 and both side by side, by hand or through systemd. What is here
// is the runtime specification: which field means what there, and what is wrong
// with it.
//
// It knows nothing of sandboxes; package container does.
package cgroup
