// Package mm has address spaces: vmas, the pages behind them, copy-on-write and
// faults (Linux's mm_struct and mm/).
//
//   - It owns what an address means. The platform only holds the part of it
//     that guest code has touched, and may be told to forget at any time.
//   - Guest memory is reached through AddressSpace's usermem.IO methods by
//     everybody, and nothing keeps a slice of it.
//   - It knows no task and no file system: a mapped file is a Mappable, its
//     name in /proc/PID/maps a Named.
package mm
