// Package dev has the character devices that every container sees: null, zero,
// full, random, urandom, kmsg's absence. Terminals are in devpts.
//
//   - It owns what reading and writing such a device does. The nodes' names are
//     made by boot in a tmpfs, and vfs finds the driver by number.
//   - It may import vfs only.
package dev
