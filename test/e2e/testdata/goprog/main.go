// Goprog is a Go program that leans on its runtime: goroutines, garbage
// collection, timers, signals, subprocesses.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

type node struct{ next *node }

func main() {
	var wg sync.WaitGroup
	sums := make([]int, 50)
	for i := range sums {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var list *node
			for j := range 20000 {
				if list = (&node{list}); j%1000 == 0 {
					list = nil
				}
				sums[i] += j
			}
		}()
	}
	wg.Wait()
	runtime.GC()
	total := 0
	for _, s := range sums {
		total += s
	}
	fmt.Println("sum", total)

	ticks := 0
	for range time.Tick(5 * time.Millisecond) {
		if ticks++; ticks == 5 {
			break
		}
	}
	fmt.Println("ticks", ticks)

	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		fmt.Println(err)
	}
	fmt.Println("signal", <-c)

	out, err := exec.Command("sh", "-c", "echo sub; exit 2").Output()
	fmt.Printf("%q %v\n", out, err)

	defer func() { fmt.Println("recovered:", recover() != nil) }()
	var p *node
	fmt.Println(p.next)
}
