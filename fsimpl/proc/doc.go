// Package proc is /proc, proc(5): what the kernel knows of its tasks and of
// itself, as text.
//
//   - It owns the format of each file and nothing of what they say: that is
//     asked of kernel, mm and vfs at each read from offset 0.
//   - Names are never cached: tasks come and go.
//   - Who may look into a process is ptrace's rule (kernel.Task.MayAccess).
//
// Files: root.go the names of /proc, system.go and cpu.go the files about the
// machine, sys.go /proc/sys, net.go /proc/PID/net, pid.go the names of
// /proc/PID, status.go stat and status, memory.go maps and its kin, fd.go
// descriptors, mounts.go mounts.
package proc
