package oci

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"hull/test/internal/sandbox"
)

// account is the ordinary user that the tests make, with ids of its own to map.
const account = "hull-oci-user"

// ordinary is that user, and a directory of his.
type ordinary struct {
	dir      string
	uid, gid int
}

// makeUser makes the user, who is gone with the test.
func makeUser(t *testing.T) *ordinary {
	t.Helper()
	dir := memoryDir(t, "hull-ociu")
	// Podman leaves a process that holds its user namespace, and who has processes is
	// not removed. There may be no user yet, which is status 6.
	remove := func() {
		const script = `for i in $(seq 200); do kill -KILL $(ps -o pid= -u "$0"); userdel "$0"; case $? in 0 | 6) exit ;; esac; sleep 0.1; done`
		_ = exec.Command("sh", "-c", script, account).Run() // useradd says what is left
	}
	remove()
	if out, err := exec.Command("useradd", "--home-dir", dir, "--no-create-home", "--shell", "/bin/sh", account).CombinedOutput(); err != nil {
		t.Fatalf("useradd: %v\n%s", err, out)
	}
	t.Cleanup(remove) // before the directory goes
	const ids = "500000-565535"
	if out, err := exec.Command("usermod", "--add-subuids", ids, "--add-subgids", ids, account).CombinedOutput(); err != nil {
		t.Fatalf("usermod: %v\n%s", err, out)
	}
	u, err := user.Lookup(account)
	if err != nil {
		t.Fatal(err)
	}
	o := &ordinary{dir: dir}
	o.uid, _ = strconv.Atoi(u.Uid)
	o.gid, _ = strconv.Atoi(u.Gid)
	for _, name := range []string{dir, o.runtimeDir()} {
		err := os.MkdirAll(name, 0o700)
		if err == nil {
			err = os.Chown(name, o.uid, o.gid)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// The binary may be where only root reaches it.
	b, err := os.ReadFile(sandbox.Binary(t))
	if err == nil {
		err = os.WriteFile(o.hull(), b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *ordinary) hull() string       { return filepath.Join(o.dir, "hull") }
func (o *ordinary) runtimeDir() string { return filepath.Join(o.dir, "xdg") }

// as begins a command of the user's.
func (o *ordinary) as() []string {
	return []string{"setpriv", "--reuid", strconv.Itoa(o.uid), "--regid", strconv.Itoa(o.gid), "--init-groups", "--inh-caps=-all",
		"env", "USER=" + account, "HOME=" + o.dir, "XDG_RUNTIME_DIR=" + o.runtimeDir()}
}

func (o *ordinary) command(args ...string) *exec.Cmd {
	args = append(o.as(), args...)
	c := exec.Command(args[0], args[1:]...)
	c.Dir = o.dir
	return c
}

// delegate gives the user control groups, until the test ends.
func (o *ordinary) delegate(t *testing.T) {
	t.Helper()
	const script = `for d in $(awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts); do mkdir -p $d/hull-delegated && chown -R "$0" $d/hull-delegated
		for f in cpus mems; do [ ! -e $d/cpuset.$f ] || cat $d/cpuset.$f >$d/hull-delegated/cpuset.$f; done; done`
	if out, err := exec.Command("sh", "-c", script, account).CombinedOutput(); err != nil {
		t.Fatalf("delegate: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		// One whose processes are about to end is busy.
		const script = `for d in /sys/fs/cgroup /sys/fs/cgroup/*; do i=0; while [ -d $d/hull-delegated ] && ! find $d/hull-delegated -depth -type d -exec rmdir {} +; do
			i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done; done`
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Errorf("control groups are left: %v\n%s", err, out)
		}
	})
}

// tempDir makes a directory of the user's.
func (o *ordinary) tempDir(t *testing.T) string {
	dir, err := os.MkdirTemp(o.dir, "case")
	if err == nil {
		err = os.Chown(dir, o.uid, o.gid)
	}
	if err != nil {
		t.Error(err)
	}
	return dir
}

// bundlePrelude is what the scripts have: $R, the runtime; bundle makes one that runs a command of sh; ids
// gives it the ids that the user may map.
const bundlePrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
status() { $R state $N | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p'; }
await() { i=0; until [ "$(status)" = $1 ]; do i=$((i+1)); [ $i -lt 100 ] || { echo "never $1"; break; }; sleep 0.05; done; }
bundle() {
	mkdir -p rootfs/bin rootfs/tmp; cp /bin/busybox rootfs/bin; for a in sh ls id cat touch chown chmod sleep grep mknod ps wc sed tr stat; do ln -sf busybox rootfs/bin/$a; done
	rm -f config.json; $R spec --rootless; sed -i -e 's/"terminal": true/"terminal": false/' -e 's/"readonly": true/"readonly": false/' config.json
	sed -i "s^\"sh\"^\"sh\",\"-c\",\"$1\"^" config.json
}
conf() { python3 -c "import json; c=json.load(open('config.json')); p=c['process']; l=c['linux']
$1
json.dump(c, open('config.json','w'))"; }
why() { "$@" 2>&1 >/dev/null | sed 's/^time=.* msg="//; s/"$//; s/\\"/"/g; s/^hull: //; s/^runc [a-z]* failed: //; s/^exec failed: //' | tail -1; }
tty() { script -qec "$1" /dev/null </dev/null | tr -d '\r' | sed 's/\^@//g'; }
ids() { sed -i -e "s/\"size\": 1\$/\"size\": 1},{\"containerID\":1,\"hostID\":$1,\"size\":65536/" -e 's/"CAP_KILL"/"CAP_KILL","CAP_CHOWN"/' config.json; }
`

func userCases() []scriptCase {
	return []scriptCase{
		{"run", `bundle 'id -u; cat /proc/self/uid_map /proc/self/gid_map; touch /tmp/x; ls -ln /tmp | tail -1 | cut -c1-30; exit 3'; say $R run $N; stat -c %u rootfs/tmp/x | grep -c -x $(id -u); say $R state $N`},
		{"life", `bundle 'trap \\"exit 5\\" TERM; while :; do sleep 0.05; done'; say $R create --pid-file pid $N >log 2>&1; status; say $R start $N; status; say $R exec $N sh -c 'echo in; exit 3'; say $R exec --user 0 --env A=1 --cwd /tmp $N sh -c 'echo $A; pwd'
			kill -0 $(cat pid) && echo alive; $R list -q; say $R delete $N; say $R kill $N; await stopped; say $R delete $N; say $R state $N`},
		{"delete one that runs", `bundle 'sleep 100'; say $R run -d --pid-file pid $N >log 2>&1; say $R delete --force $N; sleep 0.2; kill -0 $(cat pid) 2>/dev/null || echo gone; $R list -q; cat log`},
		{"limits are the host's to give", `bundle 'sleep 100'; say $R run -d $N >log 2>&1; say $R pause $N; say $R resume $N; say $R update --memory 100m $N; $R events --stats $N | cut -c1-15; say $R delete --force $N`},
		{"ranges of ids", `bundle 'cat /proc/self/uid_map; touch /tmp/x; chown 5:6 /tmp/x; ls -ln /tmp | tail -1 | cut -c1-30; mknod /tmp/d c 1 3; chmod 600 /tmp/x; cat /tmp/x; echo read'; ids 500000; say $R run $N; stat -c '%u %g' rootfs/tmp/x`},
		{"ids that are another's", `bundle 'echo never'; ids 700000; say $R run $N | tail -1 | grep -c '= 0'; $R run $N >log 2>&1; grep -o 'newuidmap: uid range .* not allowed' log; grep -c 'creator' log; $R list -q`},
		{"as root of nothing", `bundle 'id -u'; sed -i 's/"containerID": 0/"containerID": 7/' config.json; $R run $N >/dev/null 2>&1 && echo runs; $R list -q`},
		{"files of nobody, ids that are not mapped", `bundle 'ls -ln / | grep bin | cut -c1-30; touch /bin/x; ls /bin/x; chown 5 /bin/x; chown 0:5 /bin/x; chown 0:0 /bin/x'; say $R run $N`},
		{"hooks", `bundle 'echo run; exit 3'; conf "
def h(n): return [{'path':'/bin/sh','args':['sh','-c','echo '+n+' \$(grep -c pid) >>$PWD/log']}]
c['hooks']={n:h(n) for n in ['prestart','createRuntime','createContainer','poststart','poststop']}"
			say $R create $N >out; say $R start $N; await stopped; say $R delete $N; cat log out`},
		{"seccomp", `bundle 'touch /tmp/x; chmod 600 /tmp/x; grep Seccomp: /proc/self/status'; conf "l['seccomp']={'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['chmod','fchmodat'],'action':'SCMP_ACT_ERRNO','errnoRet':28}]}"; $R run $N 2>&1; echo "= $?"`},
		{"consoles", `bundle 'echo'; ln -sf busybox rootfs/bin/tty; ln -sf busybox rootfs/bin/stty; conf "p['terminal']=True; p['args'][-1]='tty; stty size; exit 6'"; tty "stty cols 77 rows 33; $R run $N; echo = \$?"; say $R create $N
			conf "p['terminal']=False; p['args'][-1]='sleep 100'"; $R run -d $N >out 2>&1 </dev/null; tty "$R exec -t $N sh -c 'tty; exit 7'; echo = \$?"; say $R exec -d -t $N true; say $R delete --force $N`},
		{"execs", `bundle 'sleep 100'; $R run -d $N >log 2>&1; say $R exec -d --pid-file pid $N sleep 50; kill -0 $(cat pid) && echo there; sleep 0.3; say $R exec $N ps | grep -c 'sleep 50'; kill -9 $(cat pid); sleep 0.5; $R exec $N ps | grep -c 'sleep 50'
			say $R exec $N nosuch; say $R exec --cwd /none $N true; say $R exec $N sh -c 'kill -9 $$'; seq 20000 | $R exec $N wc -l; seq 20000 | $R exec $N wc -l; echo '{"args":["sh","-c","echo $Z; exit 2"],"env":["Z=z","PATH=/bin"],"cwd":"/tmp","user":{"uid":0,"gid":0}}' >p.json; say $R exec --process p.json $N
			echo data >f; say $R exec --preserve-fds 1 $N sh -c 'cat <&3' 3<f; say $R exec --cap CAP_KILL $N grep CapEff /proc/self/status; why $R exec $N nosuch; why $R exec -u 5:5 $N id; why $R exec -u 0:5 $N id; say $R exec -g 77 $N id; say $R delete --force $N; say $R exec $N true`},
		{"signals", `bundle 'for s in HUP INT USR1 WINCH; do trap \\"echo got $s\\" $s; done; trap \\"exit 4\\" TERM; echo up; while :; do sleep 0.05; done'; say $R create --pid-file pid $N >out 2>&1; say $R start $N; i=0; until grep -q up out || [ $i = 100 ]; do sleep 0.05; i=$((i+1)); done
			for s in HUP INT USR1; do say $R kill $N $s; sleep 0.3; done; kill -WINCH $(cat pid); sleep 0.3; say $R kill $N NOSIG; say $R kill $N TERM; await stopped; grep -c got out; grep got out; say $R kill $N KILL; say $R delete $N`},
		{"what they say", `bundle 'sleep 100'; for v in start state kill delete pause resume ps update; do why $R $v nosuch; done; $R create $N >out 2>&1; why $R create $N; why $R resume $N; say $R start $N; why $R start $N; why $R delete $N; say $R kill $N KILL; await stopped; why $R exec $N true; why $R start $N; say $R delete $N`},
		{"cgroups delegated", `bundle 'sleep 100'; conf "l['cgroupsPath']='/hull-delegated/$N'; l['resources']={'memory':{'limit':200<<20},'pids':{'limit':90}}"; say $R create $N >log 2>&1; status; say $R start $N; say $R pause $N; status; say $R exec $N true; say $R resume $N; status
			$R events --stats $N | grep -o '"limit":209715200' | head -1; say $R update --memory 300m $N; $R events --stats $N | grep -o '"limit":314572800' | head -1; $R ps --format json $N | grep -c '^\[[0-9,]*\]'; say $R ps $N | grep -c 'sleep 100'; say $R exec $N echo on; say $R pause $N; say $R delete --force $N; find /sys/fs/cgroup -name $N`},
		{"cgroups refused", `bundle 'echo ran'; sed -i 's#"linux": {#"linux": {"cgroupsPath":"/hull-none",#' config.json; $R run $N >/dev/null 2>&1 && echo runs; ls -d /sys/fs/cgroup/*/hull-none 2>/dev/null; $R --rootless false run $N >/dev/null 2>&1 || echo refused; $R --rootless x run $N >/dev/null 2>&1 || echo refused`},
	}
}

// TestUser runs the cases of an ordinary user who calls the runtime himself.
func TestUser(t *testing.T) {
	o := makeUser(t)
	o.delegate(t)
	binary := map[string]string{"runc": "/usr/sbin/runc", "hull": o.hull()}
	e := &teller{
		prelude: bundlePrelude,
		env: func(runtime, name string) []string {
			return append(os.Environ(), "N="+name, "R="+binary[runtime])
		},
		clean: func(runtime, name string) {
			_ = o.command(binary[runtime], "delete", "--force", name).Run() // most cases have deleted it
		},
		user: o,
	}
	e.compare(t, userCases())
}

// userPodman runs podman's cases as an ordinary user: podman has the runtime run
// in a user namespace.
func (d *daemons) userPodman(t *testing.T) {
	o := makeUser(t)
	p := &podman{dir: filepath.Join(o.dir, "p"), binary: o.hull(), user: o, more: "--storage-driver vfs "}
	archive := filepath.Join(o.dir, "image.tar")
	b, err := os.ReadFile(d.archive())
	if err == nil {
		err = os.WriteFile(archive, b, 0o644)
	}
	if err == nil {
		err = os.MkdirAll(p.dir, 0o755)
	}
	if err == nil {
		err = os.Chown(p.dir, o.uid, o.gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.load(t, archive)
	t.Run("installed", p.installsForPodman)
	// The rest is podman's own, and slow where each container is a copy of the image.
	cases := slices.DeleteFunc(slices.Concat(podmanCases(), podmanPodCases()), func(c scriptCase) bool {
		return !slices.Contains([]string{"run", "what cannot be run", "users and capabilities", "volumes", "exec", "terminals", "stop and start", "copy while it runs",
			"pod", "pod, one stops", "pod with one pid namespace"}, c.name)
	})
	p.teller().compare(t, cases)
}
