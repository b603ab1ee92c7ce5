// Package notify lets an agent of the host decide about calls of the guest:
// linux.seccomp.listenerPath of an OCI configuration.
//
// The agent expects a descriptor on which the ioctls of seccomp_unotify(2) work.
// Those of the host's kernel are about calls that the host's kernel sees, which
// never sees the guest's. So the agent is handed a file of a file system of one
// file, by FUSE: its ioctls come to the sentry, as the requests of a device that
// the sentry has from its start.
//
//   - Open is the host's part. Serve is the sentry's: it reads and writes one
//     descriptor, and makes no other host call.
//   - The file is its file system: there is no mount to be found or to be taken
//     away, and with its last descriptor everything is gone.
//   - The host's kernel words the requests, and the agent's ioctls are in them:
//     both are trusted more than the sentry is. The agent takes what the sentry
//     says for what a container says.
//   - A process of the guest has no number on the host: the agent reads 0, as on
//     Linux where a process is not in the reader's namespace. Nor can the agent's
//     descriptors be given to it: SECCOMP_IOCTL_NOTIF_ADDFD is EINVAL, as on a
//     Linux without it.
//
// The requests are those of linux/fuse.h, version 7.31.
package notify
