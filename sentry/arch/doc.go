// Package arch knows the processor: the registers a task has, the FPU state
// beside them, how a system call's number, arguments and result lie in them,
// and the bytes of a signal frame.
//
//   - It owns every architecture-dependent fact outside platform; files end in
//     _amd64 (arm64 is to join them without a change above).
//   - It may import sentry/abi only. It never reads or writes guest memory: a
//     signal frame is built as bytes here and copied out by the kernel.
package arch
