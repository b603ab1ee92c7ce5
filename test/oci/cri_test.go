package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"hull/test/internal/docker"
)

// podImage is what the containers of pods run, and their sandbox.
const podImage = "docker.io/library/hull-pod:1"

// kubelet asks containerd for pods as Kubernetes' kubelet does, and notes what it
// sees.
type kubelet struct {
	*testing.T
	ctx     context.Context
	runtime cri.RuntimeServiceClient
	handler string
	dir     string // of logs
	pod     string
	config  *cri.PodSandboxConfig
	seen    strings.Builder
}

// startCRI starts a containerd with the plugin for Kubernetes, and both runtimes
// under its own shim.
func startCRI(t *testing.T) (dir, sock string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can start containerd")
	}
	dir = memoryDir(t, "hull-cri")
	sock = filepath.Join(dir, "c.sock")
	config := fmt.Sprintf(`version = 2
root = "%[1]s/root"
state = "%[1]s/state"
[grpc]
  address = %[2]q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[3]q
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[1]s/cni"
    conf_dir = "%[1]s/net.d"
`, dir, sock, podImage)
	config += `[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options] # the last line has no end
    BinaryName = "runc"`
	t.Cleanup(installed(t, "containerd", filepath.Join(dir, "config.toml"), config))
	makeNetwork(t, dir)
	containerd, err := docker.Run(dir, sock, "containerd", "--config", filepath.Join(dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := containerd.Close(); err != nil {
			t.Error(err)
		}
	})
	makePodImage(t, dir)
	out, err := exec.Command("ctr", "--address", sock, "--namespace", "k8s.io", "images", "import", filepath.Join(dir, "image.tar")).CombinedOutput()
	if err != nil {
		t.Fatalf("ctr images import: %v\n%s", err, out)
	}
	return dir, sock
}

// makeNetwork gives pods a network of their own, with an address that is told and
// nothing that it is the address of.
func makeNetwork(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{"cni", "net.d"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "net.d", "10-none.conflist"), `{"cniVersion":"0.4.0","name":"none","plugins":[{"type":"none"}]}`)
	const plugin = `#!/bin/sh
[ $CNI_COMMAND$CNI_IFNAME = ADDlo ] && nsenter --net=$CNI_NETNS ip link set lo up
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"0.4.0","interfaces":[{"name":"'$CNI_IFNAME'","sandbox":"'$CNI_NETNS'"}],"ips":[{"version":"4","interface":0,"address":"192.0.2.2/24"}]}' ;;
VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
esac
`
	for _, name := range []string{"none", "loopback"} {
		if err := os.WriteFile(filepath.Join(dir, "cni", name), []byte(plugin), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// makePodImage makes image.tar, in the form that `docker save` has.
func makePodImage(t *testing.T, dir string) {
	t.Helper()
	const script = `set -e; cd "$1"; mkdir -p i/bin i/etc i/tmp i/root; chmod 1777 i/tmp; cp /bin/busybox i/bin/
for a in $(/bin/busybox --list); do ln -s busybox i/bin/$a 2>/dev/null || :; done; gcc -static -O1 -o i/bin/abstract "$2"
echo root:x:0:0:root:/root:/bin/sh >i/etc/passwd; echo root:x:0: >i/etc/group; mkdir s l; tar -C i -cf l/layer.tar .
d=$(sha256sum l/layer.tar | cut -d' ' -f1)
echo '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh","-c","trap exit TERM; while :; do sleep 1000 & wait $!; done"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:'$d'"]}}' >config.json
echo '[{"Config":"config.json","RepoTags":["'$3'"],"Layers":["l/layer.tar"]}]' >manifest.json
tar -cf image.tar config.json manifest.json l/layer.tar`
	source, err := filepath.Abs("testdata/abstract.c")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", script, "sh", dir, source, podImage).CombinedOutput(); err != nil {
		t.Fatalf("image: %v\n%s", err, out)
	}
}

func (k *kubelet) note(format string, args ...any) { fmt.Fprintf(&k.seen, format+"\n", args...) }

func (k *kubelet) must(what string, err error) {
	k.Helper()
	if err != nil {
		k.Fatalf("%s: %s: %v, after\n%s", k.handler, what, err, k.seen.String())
	}
}

// run makes a pod.
func (k *kubelet) run(name string, pid cri.NamespaceMode) {
	k.Helper()
	k.config = &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Uid: name + k.handler, Namespace: "default", Attempt: 1},
		Hostname: "pod-" + name, LogDirectory: k.dir,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent:    "/hull-cri-" + name + "-" + k.handler,
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{Pid: pid}},
		},
	}
	p, err := k.runtime.RunPodSandbox(k.ctx, &cri.RunPodSandboxRequest{Config: k.config, RuntimeHandler: k.handler})
	k.must("RunPodSandbox", err)
	k.pod = p.PodSandboxId
	s, err := k.runtime.PodSandboxStatus(k.ctx, &cri.PodSandboxStatusRequest{PodSandboxId: k.pod})
	k.must("PodSandboxStatus", err)
	k.note("pod %s %s", s.Status.State, s.Status.Network.GetIp())
}

// container makes one of the pod and starts it.
func (k *kubelet) container(name, script string, change func(*cri.ContainerConfig)) string {
	k.Helper()
	c := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: name}, Image: &cri.ImageSpec{Image: podImage},
		Command: []string{"sh", "-c", script}, LogPath: name + ".log",
		Linux: &cri.LinuxContainerConfig{
			Resources:       &cri.LinuxContainerResources{},
			SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: k.config.Linux.SecurityContext.NamespaceOptions},
		},
	}
	if change != nil {
		change(c)
	}
	made, err := k.runtime.CreateContainer(k.ctx, &cri.CreateContainerRequest{PodSandboxId: k.pod, Config: c, SandboxConfig: k.config})
	k.must("CreateContainer "+name, err)
	if _, err := k.runtime.StartContainer(k.ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId}); err != nil {
		k.note("start %s: %v", name, strings.Contains(err.Error(), "no such file or directory"))
	}
	if strings.HasSuffix(script, waits) {
		k.up(name)
	}
	return made.ContainerId
}

// up waits until a container that waits has come to that.
func (k *kubelet) up(name string) {
	k.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(k.dir, name+".log"))
		if err == nil && strings.Contains(string(b), " stdout F up\n") {
			return
		}
		if time.Now().After(end) {
			k.Fatalf("%s: %s does not come to wait: %q, %v", k.handler, name, b, err)
		}
	}
}

// exec runs a script in a container.
func (k *kubelet) exec(id, script string) {
	k.Helper()
	r, err := k.runtime.ExecSync(k.ctx, &cri.ExecSyncRequest{ContainerId: id, Cmd: []string{"sh", "-c", script}, Timeout: 30})
	if err != nil {
		k.note("exec %q: %v", script, err)
		return
	}
	k.note("exec %q: %d\n%s%s", script, r.ExitCode, r.Stdout, r.Stderr)
}

func (k *kubelet) status(id string) *cri.ContainerStatus {
	k.Helper()
	s, err := k.runtime.ContainerStatus(k.ctx, &cri.ContainerStatusRequest{ContainerId: id})
	k.must("ContainerStatus", err)
	return s.Status
}

// ended waits for a container's end.
func (k *kubelet) ended(id string) {
	k.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if s := k.status(id); s.State == cri.ContainerState_CONTAINER_EXITED {
			k.note("%s ended: %d %s", s.Metadata.Name, s.ExitCode, s.Reason)
			return
		}
	}
	k.note("%s does not end", k.status(id).Metadata.Name)
}

func (k *kubelet) stop(id string, timeout int64) {
	k.Helper()
	_, err := k.runtime.StopContainer(k.ctx, &cri.StopContainerRequest{ContainerId: id, Timeout: timeout})
	k.must("StopContainer", err)
	k.ended(id)
}

func (k *kubelet) remove(id string) {
	k.Helper()
	_, err := k.runtime.RemoveContainer(k.ctx, &cri.RemoveContainerRequest{ContainerId: id})
	k.must("RemoveContainer", err)
}

// log notes what a container said.
func (k *kubelet) log(name string) {
	k.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, name+".log"))
	k.must("log", err)
	// 2026-01-02T03:04:05.6Z stdout F text; the order of the streams is chance.
	lines := strings.Split(strings.TrimSpace(regexp.MustCompile(`(?m)^\S+ `).ReplaceAllString(string(b), "")), "\n")
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(b[:min(6, len(b))], a[:min(6, len(a))]) })
	k.note("log of %s:\n%s", name, strings.Join(lines, "\n"))
}

// end takes the pod away.
func (k *kubelet) end() {
	k.Helper()
	_, err := k.runtime.StopPodSandbox(k.ctx, &cri.StopPodSandboxRequest{PodSandboxId: k.pod})
	k.must("StopPodSandbox", err)
	list, err := k.runtime.ListContainers(k.ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{PodSandboxId: k.pod}})
	k.must("ListContainers", err)
	slices.SortFunc(list.Containers, func(a, b *cri.Container) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	for _, c := range list.Containers {
		k.note("%s at the end: %s", c.Metadata.Name, c.State)
	}
	s, err := k.runtime.PodSandboxStatus(k.ctx, &cri.PodSandboxStatusRequest{PodSandboxId: k.pod})
	k.must("PodSandboxStatus", err)
	k.note("pod %s", s.Status.State)
	_, err = k.runtime.RemovePodSandbox(k.ctx, &cri.RemovePodSandboxRequest{PodSandboxId: k.pod})
	k.must("RemovePodSandbox", err)
}

// waits is the end of the script of a container that stays, which says so.
const waits = `trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done`

// podCases are the lives of pods.
func podCases() map[string]func(k *kubelet) {
	return map[string]func(k *kubelet){
		"two containers": func(k *kubelet) {
			k.run("two", cri.NamespaceMode_CONTAINER)
			a := k.container("a", `hostname; echo a >/tmp/who; echo shared >/dev/shm/f; echo $$; `+waits, nil)
			b := k.container("b", `echo b >/tmp/who; echo err >&2; `+waits, nil)
			for _, c := range []string{a, b} {
				k.exec(c, "cat /tmp/who /dev/shm/f; hostname; exit 3")
				k.exec(c, "cat /proc/1/comm; ls -d /proc/[0-9]*/comm 2>/dev/null | grep -c /1/comm")
			}
			k.exec(a, "abstract listen name hello >/dev/null 2>&1 & until grep -q '00010000 .*@name' /proc/net/unix; do sleep 0.1; done")
			k.exec(b, "abstract ask name")
			k.exec(a, "nc -l -p 8080 -e echo over the network >/dev/null 2>&1 & until cat /proc/net/tcp* | grep -q ':1F90 .* 0A '; do sleep 0.1; done")
			k.exec(b, "nc 127.0.0.1 8080 </dev/null")
			k.exec(a, "nosuch")
			k.exec(a, "kill -9 $$")
			k.exec(a, `: >/tmp/held; awk 'BEGIN { s = sprintf("%40000000s", "x"); print length(s); fflush(); system("sleep 1000") }' >/tmp/held 2>&1 & until grep -q . /tmp/held; do sleep 0.1; done`)
			for _, c := range []string{a, b} {
				s, err := k.runtime.ContainerStats(k.ctx, &cri.ContainerStatsRequest{ContainerId: c})
				k.must("ContainerStats", err)
				used := s.Stats.Memory.GetWorkingSetBytes().GetValue()
				k.note("stats: %v %v", used > 40000000, used < 20000000)
			}
			k.log("a")
			k.log("b")
			k.stop(a, 60)
			k.exec(b, "echo on")
			k.remove(a)
			again := k.container("again", "cat /tmp/who; cat /dev/shm/f; exit 5", nil)
			k.ended(again)
			k.log("again")
			k.stop(b, 0)
			k.end()
		},
		"one pid namespace": func(k *kubelet) {
			k.run("pids", cri.NamespaceMode_POD)
			a := k.container("a", "sleep 1002 & "+waits, nil) // the sandbox has its own sleep
			b := k.container("b", "sleep 1001 & "+waits, nil)
			k.exec(a, "until [ $(ps | grep -c 'sleep 100[12]$') = 2 ]; do sleep 0.1; done; [ $$ = 1 ] || echo not init")
			k.exec(b, "kill -9 $(ps | awk '/sleep 1002$/{print $1; exit}'); while ps | grep -q 'sleep 1002$'; do sleep 0.1; done; ps | grep -c 'sleep 1001$'")
			k.stop(a, 60)
			k.exec(b, "ps | grep -c 'sleep 1001$'")
			t := k.container("target", "ps | grep -c 'sleep 1001$'", func(c *cri.ContainerConfig) {
				c.Linux.SecurityContext.NamespaceOptions = &cri.NamespaceOption{Pid: cri.NamespaceMode_TARGET, TargetId: b}
			})
			k.ended(t)
			k.log("target")
			k.end()
		},
		"what it may": func(k *kubelet) {
			k.run("may", cri.NamespaceMode_CONTAINER)
			a := k.container("a", "id; grep -e CapEff -e NoNew -e Seccomp: /proc/self/status; pwd; echo $A; touch /x; "+waits, func(c *cri.ContainerConfig) {
				c.WorkingDir, c.Envs = "/tmp", []*cri.KeyValue{{Key: "A", Value: []byte("b c")}}
				s := c.Linux.SecurityContext
				s.RunAsUser, s.RunAsGroup, s.SupplementalGroups = &cri.Int64Value{Value: 12}, &cri.Int64Value{Value: 34}, []int64{56}
				s.NoNewPrivs, s.ReadonlyRootfs = true, true
				s.Seccomp = &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}
				s.Capabilities = &cri.Capability{DropCapabilities: []string{"ALL"}, AddCapabilities: []string{"CHOWN"}}
			})
			mount := filepath.Join(k.dir, "volume")
			k.must("volume", os.Mkdir(mount, 0o777))
			write(k.T, filepath.Join(mount, "in"), "from outside\n")
			b := k.container("b", "cat /v/in; echo text >/v/out; "+waits, func(c *cri.ContainerConfig) {
				c.Mounts = []*cri.Mount{{ContainerPath: "/v", HostPath: mount}}
				c.Linux.Resources = &cri.LinuxContainerResources{MemoryLimitInBytes: 100 << 20, CpuQuota: 50000, CpuPeriod: 100000, CpuShares: 512}
			})
			c := k.container("c", "cat /v/in; ls /v; touch /v/no", func(c *cri.ContainerConfig) {
				c.Mounts = []*cri.Mount{{ContainerPath: "/v", HostPath: mount, Readonly: true}}
			})
			k.ended(c)
			k.log("a")
			k.log("b")
			k.log("c")
			_, err := k.runtime.UpdateContainerResources(k.ctx, &cri.UpdateContainerResourcesRequest{ContainerId: b, Linux: &cri.LinuxContainerResources{CpuShares: 256, MemoryLimitInBytes: 80 << 20}})
			k.note("update: %v", err)
			s, err := k.runtime.ContainerStats(k.ctx, &cri.ContainerStatsRequest{ContainerId: b})
			k.must("ContainerStats", err)
			k.note("stats: %v %v", s.Stats.Cpu.GetUsageCoreNanoSeconds().GetValue() > 0, s.Stats.Memory.GetWorkingSetBytes().GetValue() > 0)
			none := k.container("none", "", func(c *cri.ContainerConfig) { c.Command = []string{"/nosuch"} })
			k.note("none: %s", k.status(none).State)
			k.exec(a, "echo on")
			k.end()
		},
	}
}

// TestPods leads the same pods' lives with both runtimes.
func TestPods(t *testing.T) {
	dir, sock := startCRI(t)
	conn, err := grpc.NewClient("unix://"+sock, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, life := range podCases() {
		t.Run(name, func(t *testing.T) {
			var seen [2]string
			for i, handler := range []string{"runc", "hull"} {
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				k := &kubelet{T: t, ctx: ctx, runtime: cri.NewRuntimeServiceClient(conn), handler: handler, dir: t.TempDir()}
				t.Cleanup(func() { k.clean() })
				life(k)
				cancel()
				seen[i] = strings.ReplaceAll(k.seen.String(), k.dir, "DIR")
			}
			t.Logf("with runc:\n%s", seen[0])
			if seen[0] != seen[1] {
				t.Errorf("with hull:\n%s", seen[1])
			}
		})
	}
	// hull's state of the pods is where runc's is.
	left, err := filepath.Glob(filepath.Join(dir, "state", "*", "*", "*", "state.json"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// clean takes away what a life that failed left.
func (k *kubelet) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := k.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		k.Error(err)
		return
	}
	for _, p := range list.Items {
		_, _ = k.runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.Id})
		_, _ = k.runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.Id})
	}
	// The pods' cgroups are their maker's to remove.
	parents, _ := filepath.Glob("/sys/fs/cgroup/*" + k.config.Linux.CgroupParent)
	for _, dir := range append(parents, "/sys/fs/cgroup"+k.config.Linux.CgroupParent) {
		err := os.Remove(dir)
		for end := time.Now().Add(20 * time.Second); errors.Is(err, unix.EBUSY) && time.Now().Before(end); err = os.Remove(dir) {
			time.Sleep(20 * time.Millisecond) // who was killed is still going
		}
		if err != nil && !os.IsNotExist(err) {
			k.Errorf("the pod's cgroup: %v", err)
		}
	}
}
