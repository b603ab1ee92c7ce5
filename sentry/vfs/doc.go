// Package vfs is the virtual file system: mounts, the dentry cache, path walk,
// open file descriptions, descriptor tables, file locks.
//
//   - It owns names and permissions. A file system below it answers about one
//     inode and one component at a time, never about a path, and need not check
//     who asks: vfs has done so (what a server must decide itself it refuses).
//   - It imports no file system. boot hands it what is to be mounted.
//   - It knows the caller as a current.Task and waits through it alone.
//
// The objects, as in Linux: an Inode is a file; a Dentry is a name of it; a Path
// is a dentry in a Mount; a File is an open file description; an FDTable maps
// numbers to Files; a Context is what fs_struct is: root, working directory,
// umask. All but inodes' attributes are counted: whoever stores one has a
// reference, and drops it.
//
// A file system implements FilesystemImpl for itself, InodeImpl for each inode,
// DirImpl for directories, FileImpl for what open returns, and of the optional
// interfaces (optional.go) those that it has something to say to. vfs asserts
// them once, when the Inode or File is made.
package vfs
