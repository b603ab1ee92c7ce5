// Package devpts has pseudo-terminals: /dev/ptmx, /dev/pts and /dev/tty.
//
//   - A tty is a pair: what the master writes is input, which the line
//     discipline (ldisc.go) edits, echoes and turns into signals; what the slave
//     writes is output, which the master reads.
//   - It owns characters and modes. Sessions, foreground groups and the rules of
//     job control are the kernel's (kernel.TerminalControl).
//   - A tty lives while its master or a slave is open.
//
// Files: fs.go the file system and the devices, tty.go the pair and its life,
// ldisc.go the line discipline (no I/O, no locks), file.go reads and writes,
// ioctl.go the controls.
package devpts
