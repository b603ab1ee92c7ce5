// Package oci tests hull under the real programs that call an OCI runtime: a
// private dockerd and containerd, podman as root and as an ordinary user, which
// run the same cases with runc and with hull; what the user sees is compared.
//
// A case is a shell script. TestCallers starts the daemons once and holds a group
// of cases for each caller, so `-run 'TestCallers/ctr/exec$'` runs one.
//
// It needs root and the packages that `make test` installs.
package oci
