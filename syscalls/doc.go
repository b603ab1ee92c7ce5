// Package syscalls is what each Linux system call does: decode the arguments,
// call one method of the kernel object that it concerns, encode the result.
//
//   - It has no state and no lock, and nothing above it but boot.
//   - Files are named for what they concern, category first: fs_, poll_, mm_,
//     proc_, sig_, sock_, time_, ipc_, sec_, sys_; a family of calls shares a file.
//   - table.go has the rows of every architecture, table_amd64.go the old calls.
package syscalls
