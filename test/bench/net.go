package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	dockerd "hull/test/internal/docker"
)

// The network rows: a server in a container on docker's bridge, the client on
// the host.

const (
	netImage  = "hull-bench:1"
	netBridge = "hullbench0"
	netSubnet = "10.211.77.1/24"
	netName   = "hull-bench-net"
)

// network is what the network rows share: docker, and its bridge.
type network struct {
	docker *dockerd.Daemons
	prog   string // of net.c
	time   string // seconds a measurement
}

// newNetwork starts docker with the runtimes that are there, by path.
func newNetwork(dir string, runtimes map[string]string) (n *network, err error) {
	n = &network{prog: filepath.Join(dir, "net"), time: "4"}
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", n.prog, "test/bench/testdata/net.c").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc: %v\n%s", err, out)
	}
	_ = exec.Command("ip", "link", "del", netBridge).Run() // of a run that was killed
	for _, args := range [][]string{{"link", "add", netBridge, "type", "bridge"}, {"addr", "add", netSubnet, "dev", netBridge}, {"link", "set", netBridge, "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	args := map[string][]string{hostRuntime: {"--network=host"}}
	if n.docker, err = dockerd.Start(dockerd.Options{Runtimes: runtimes, RuntimeArgs: args, Bridge: netBridge}); err != nil {
		return nil, errors.Join(err, n.close())
	}
	const nginx = "daemon off; pid /tmp/pid; error_log /dev/null; worker_processes 2; user root;\nevents { worker_connections 512; }\n" +
		"http { access_log off; server { listen 8080; location / { return 200 'a small file, as web servers have many of\\n'; } } }\n"
	err = n.docker.HostImage(netImage, dockerd.File{Name: "nginx.conf", Text: nginx, Mode: 0o644}, dockerd.File{Name: "var/lib/nginx/", Mode: 0o755},
		dockerd.File{Name: "var/log/nginx/", Mode: 0o755})
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *network) close() error {
	var err error
	if n.docker != nil {
		err = n.docker.Close()
	}
	return errors.Join(err, exec.Command("ip", "link", "del", netBridge).Run())
}

// serve runs a server with a runtime until the returned function is called, and
// returns the address where it listens at port.
func (n *network) serve(runtime string, port int, argv ...string) (host string, stop func(), err error) {
	args := append([]string{"run", "-d", "--rm", "--name", netName, "--runtime", runtime, "--network", "bridge",
		"-v", n.prog + ":/net:ro"}, dockerd.HostMounts()...)
	if _, err := n.docker.Docker(append(append(args, netImage), argv...)...); err != nil {
		return "", nil, err
	}
	stop = func() { _, _ = n.docker.Docker("rm", "-f", netName) } // it may have ended
	host, err = n.docker.Docker("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", netName)
	if err != nil {
		stop()
		return "", nil, err
	}
	at := net.JoinHostPort(host, strconv.Itoa(port))
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", at, time.Second)
		if err == nil {
			err = c.Close()
			time.Sleep(500 * time.Millisecond) // iperf3 is busy with whom it takes for a client
			return host, stop, err
		}
		if time.Now().After(deadline) {
			logs, _ := n.docker.Docker("logs", netName)
			stop()
			return "", nil, fmt.Errorf("nobody listens at %s: %w\n%s", at, err, logs)
		}
	}
}

// client runs a client against a server and makes a number of what it prints.
func (n *network) client(runtime string, port int, server, client []string, parse func([]byte) (float64, error)) (float64, error) {
	host, stop, err := n.serve(runtime, port, server...)
	if err != nil {
		return 0, err
	}
	defer stop()
	argv := make([]string, len(client))
	for i, a := range client {
		argv[i] = strings.ReplaceAll(a, "HOST", host)
	}
	c := exec.Command(argv[0], argv[1:]...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s%s", strings.Join(argv, " "), err, out, stderr.String())
	}
	v, err := parse(out)
	if err != nil {
		logs, _ := n.docker.Docker("logs", netName)
		err = fmt.Errorf("%w; the server said: %s", err, logs)
	}
	return v, err
}

// iperf measures with iperf3, whose end parse reads.
func (n *network) iperf(runtime string, parse func(iperfEnd) float64, args ...string) (float64, error) {
	argv := append([]string{"iperf3", "-c", "HOST", "-t", n.time, "-J"}, args...)
	return n.client(runtime, 5201, []string{"iperf3", "-s"}, argv, func(b []byte) (float64, error) {
		var r struct {
			End   iperfEnd
			Error string
		}
		if err := json.Unmarshal(b, &r); err != nil {
			return 0, err
		}
		if r.Error != "" { // its exit status does not say so
			return 0, errors.New(r.Error)
		}
		return parse(r.End), nil
	})
}

type iperfEnd struct {
	Received struct {
		Bits  float64 `json:"bits_per_second"`
		Bytes float64 `json:"bytes"`
	} `json:"sum_received"`
	Sum struct {
		Lost float64 `json:"lost_percent"`
	}
}

func gigabits(e iperfEnd) float64 { return e.Received.Bits / 1e9 }

// busy returns the processor seconds that the host has used.
func busy() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(strings.SplitN(string(b), "\n", 2)[0])
	total := 0.0
	for i, s := range f[1:] {
		if i == 3 || i == 4 || i > 7 { // idle, waiting for disks, and what is counted twice
			continue
		}
		v, _ := strconv.ParseFloat(s, 64)
		total += v
	}
	return total / 100
}

// perGB measures the processor seconds of all the host for each GB.
func (n *network) perGB(runtime string, args ...string) (float64, error) {
	before := busy()
	gb, err := n.iperf(runtime, func(e iperfEnd) float64 { return e.Received.Bytes / 1e9 }, args...)
	return (busy() - before) / gb, err
}

func number(b []byte) (float64, error) { return strconv.ParseFloat(strings.TrimSpace(string(b)), 64) }

// matching parses the first group of a pattern.
func matching(pattern string) func([]byte) (float64, error) {
	return func(b []byte) (float64, error) {
		m := regexp.MustCompile(pattern).FindSubmatch(b)
		if m == nil {
			return 0, fmt.Errorf("no %s in %q", pattern, b)
		}
		return number(m[1])
	}
}

// rows are the lines of the network's table.
func (n *network) rows() []row {
	on := func(f func(runtime string) (float64, error)) func(runner) (float64, error) {
		return func(r runner) (float64, error) { return f(r.name) }
	}
	tcp := func(args ...string) func(runner) (float64, error) {
		return on(func(rt string) (float64, error) { return n.iperf(rt, gigabits, args...) })
	}
	redis := func(test string) func(runner) (float64, error) {
		return on(func(rt string) (float64, error) {
			return n.client(rt, 6379, []string{"redis-server", "--save", "", "--protected-mode", "no", "--dir", "/tmp"},
				[]string{"redis-benchmark", "-h", "HOST", "-t", test, "-n", "60000", "-c", "50", "--csv"}, matching(`(?m)^"`+strings.ToUpper(test)+`","([0-9.]+)"`))
		})
	}
	exchange := func(mode string) func(runner) (float64, error) {
		return on(func(rt string) (float64, error) {
			return n.client(rt, 7007, []string{"/net", "serve", "7007"}, []string{n.prog, mode, "HOST", "7007", n.time}, number)
		})
	}
	return []row{
		{"TCP in x1", "Gbit/s", tcp()},
		{"TCP in x8", "Gbit/s", tcp("-P", "8")},
		{"TCP out x1", "Gbit/s", tcp("-R")},
		{"TCP out x8", "Gbit/s", tcp("-R", "-P", "8")},
		{"CPU of TCP in", "s/GB", on(func(rt string) (float64, error) { return n.perGB(rt) })},
		{"CPU of TCP out", "s/GB", on(func(rt string) (float64, error) { return n.perGB(rt, "-R") })},
		{"UDP loss at 2G", "%", on(func(rt string) (float64, error) {
			return n.iperf(rt, func(e iperfEnd) float64 { return e.Sum.Lost }, "-u", "-b", "2G")
		})},
		{"TCP_RR", "us", exchange("rr")},
		{"connections", "1/s", exchange("crr")},
		{"redis GET", "1/s", redis("get")},
		{"redis SET", "1/s", redis("set")},
		{"wrk nginx", "1/s", on(func(rt string) (float64, error) {
			return n.client(rt, 8080, []string{"nginx", "-c", "/nginx.conf"}, []string{"wrk", "-t", "2", "-c", "32", "-d", n.time + "s", "http://HOST:8080/"},
				matching(`Requests/sec:\s+([0-9.]+)`))
		})},
	}
}

// hostRuntime is hull with the sockets of the host's kernel, in the container's
// namespace: what hull's own stack costs is what it does better.
const hostRuntime = "hull-host"

// netRunners are the runtimes that are installed.
func netRunners(hull string) (rs []runner, paths map[string]string) {
	paths = map[string]string{"hull": hull, hostRuntime: hull}
	rs = []runner{{name: "runc"}, {name: "hull"}, {name: hostRuntime}}
	if path, err := exec.LookPath("runsc"); err == nil {
		rs, paths["runsc"] = append(rs, runner{name: "runsc"}), path
	}
	return rs, paths
}
