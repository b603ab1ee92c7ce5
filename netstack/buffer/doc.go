// Package buffer owns the bytes of packets: pooled chunks that are counted by
// reference, views of them, and packets made of a header and of views.
//
//	Chunk    pooled bytes, 2 KiB or 64 KiB, with a count of references
//	View     a range of a chunk; whoever holds one holds a reference
//	Packet   headroom and headers in a chunk of its own, then the payload's views
//
// What arrives is read once into a chunk and stays there until a reader copies
// it out; what a socket sends is copied once into a chunk, and every
// transmission of it is a new Packet around the same views. Nothing is zeroed
// that is overwritten.
//
// It knows no protocol and no socket. A chunk's bytes are written only while
// one holder has it; after that they are read-only.
package buffer
