// Package overlay lays a writable file system over one that is only read, as
// Linux's overlayfs does (Documentation/filesystems/overlayfs.rst).
//
//   - It knows neither layer's type: both are vfs inodes.
//   - A file of the lower layer is copied up when it is first changed; reads,
//     mappings and execution of one that is not go to the lower layer as if
//     there were no overlay.
//   - What is removed from the lower layer is hidden by a whiteout in the upper
//     one: a character device 0:0. A directory that hides a lower one of its name
//     is opaque, by an extended attribute.
//   - Renaming a directory that the lower layer has is EXDEV, as on Linux without
//     redirect_dir: mv(1) copies.
//
// Files: fs.go the instance and its inodes, inode.go attributes, copyup.go
// copying up, dir.go names, readdir.go merged listings.
package overlay
