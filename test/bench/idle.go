package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settle is how long a sandbox is left alone before it is looked at.
const settle = 3 * time.Second

// idle runs a program that sleeps and measures what is there because of it.
func idle(r runner, measure func(pids []int) (float64, error)) (float64, error) {
	before := processes()
	argv := r.argv("/bin/sleep", "30")
	c := exec.Command(argv[0], argv[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
		time.Sleep(200 * time.Millisecond)
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait() // how it ended was our doing
	}()
	time.Sleep(settle)
	var pids []int
	all := processes()
	for pid, cmd := range all {
		// What runs a guest's code is called as the guest's process is.
		if _, old := before[pid]; !old && (r.processes == nil && pid == c.Process.Pid || matches(cmd, r.processes) || matches(all[parentOf(pid)], r.processes)) {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("nothing of it is running")
	}
	return measure(pids)
}

func matches(cmd string, patterns []string) bool {
	for _, p := range patterns {
		if strings.Contains(cmd, p) {
			return true
		}
	}
	return false
}

// processes returns the command lines of all processes; one without has its
// name.
func processes() map[int]string {
	all := map[int]string{}
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		b, err := os.ReadFile(d + "/cmdline")
		if err != nil {
			continue
		}
		cmd := strings.ReplaceAll(string(b), "\x00", " ")
		if cmd == "" {
			comm, _ := os.ReadFile(d + "/comm") // gone meanwhile: no name
			cmd = string(comm)
		}
		all[pid] = cmd
	}
	return all
}

// pss adds up the proportional memory of processes, in kB.
func pss(pids []int) (float64, error) {
	total := 0.0
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // a process without memory of its own
		}
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				v, err := strconv.ParseFloat(f[1], 64)
				if err != nil {
					return 0, err
				}
				total += v
			}
		}
	}
	return total, nil
}

// cpu is the processor time that processes use in two seconds, in ms.
func cpu(pids []int) (float64, error) {
	before := ticks(pids)
	time.Sleep(2 * time.Second)
	const tick = 10 // ms
	return float64(ticks(pids)-before) * tick, nil
}

func ticks(pids []int) int {
	n := 0
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			u, _ := strconv.Atoi(f[11]) // the kernel writes numbers
			s, _ := strconv.Atoi(f[12])
			n += u + s
		}
	}
	return n
}
