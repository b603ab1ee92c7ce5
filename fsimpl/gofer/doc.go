// Package gofer is a file system of host files, which a gofer opens.
//
//   - It owns what is known of the files: attributes and names are cached as long
//     as nobody else changes them (Options.Exclusive); else they are asked for.
//   - A regular file's descriptor is donated by the gofer at the first open:
//     reads, writes and mappings go straight to it.
//   - It trusts the gofer with the bytes of files and with nothing else: what
//     comes back is checked before it is used.
//
// Files: fs.go the instance, inode.go attributes, dir.go names, host.go donated
// descriptors and mappings, file.go open files.
package gofer
