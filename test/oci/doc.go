// Package oci tests hull under the real programs that call an OCI runtime: a
// private dockerd and containerd, which run the same cases with runc and with
// hull; what the user sees is compared.
//
// It needs root, docker.io, runc and busybox, which `make test` installs.
package oci
