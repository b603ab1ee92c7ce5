// Package lifecycle tests hull as an OCI runtime by its command line alone: each
// story is told to runc and to hull, and what they say is compared; then hull's
// processes are killed at random moments, and nothing may be left.
//
// It needs root, runc and busybox, which `make test` installs.
package lifecycle
