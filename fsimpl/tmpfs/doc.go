// Package tmpfs is a file system in the sandbox's memory: /tmp, /dev/shm, the
// writable layer of the root, memfds.
//
//   - Bytes of regular files are pages of mem.File, which mm maps as they are.
//   - It owns its inodes and their names; vfs serialises changes of a directory.
//   - A file's page map is guarded by a lock of rank FileMap, since mm asks with
//     its own locks held; everything else of an inode by one of rank Inode.
//
// Files: fs.go the instance and its limits, inode.go attributes, dir.go names,
// data.go the pages of a file, file.go open files, memfd.go memfd_create(2).
package tmpfs
