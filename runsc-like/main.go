//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command hull runs untrusted programs over a Linux kernel interface of its own.
package main

import (
	"os"
	"runtime"

	"hull/runsc-like/cmd"
)

func main() {
	// The processes of a sandbox die with the thread that started them.
	runtime.LockOSThread()
	os.Exit(cmd.Main(os.Args[1:]))
}
