// Package vnet moves packets through host descriptors whose messages are a
// virtio-net header and a frame (virtio 1.2, section 5.1.6, the 10 bytes of a
// legacy device): AF_PACKET sockets, TAP devices, socket pairs.
//
//   - The header says what the frame leaves to be done: a checksum to be filled
//     in, a segment of up to 64 KiB to be cut. So a transfer in bulk is few
//     messages, and each is copied once.
//   - A message is received into a small chunk and, past that, into a large one.
//     A packet that fits into the small one does not hold on to the other.
//   - What the header says is checked against the frame: the other end of a
//     socket pair may lie.
//
// It knows what a TCP header's length is and nothing else of the frames.
package vnet
