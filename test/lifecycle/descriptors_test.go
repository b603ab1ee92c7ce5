package lifecycle

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"hull/test/internal/sandbox"
)

// descriptorStories are about the descriptors that a process has beside its
// standard streams.
func descriptorStories() []story {
	return []story{
		{name: "preserved descriptors", guest: `cat <&3; echo to the file >&4; ls /proc/self/fd | wc -l; cat <&5 || echo none`, script: `
			echo from the file >f; say $R run --preserve-fds 2 --bundle $B $C 3<f 4>g 5<f; cat g
			say $R run --preserve-fds 3 --bundle $B $C 3<f 4>g 5<f; say $R run --bundle $B $C 3<f 4>g; say $R create --preserve-fds 99 --bundle $B $C 3<f 4>g
			$R create --preserve-fds 2 --bundle $B $C 3<f 4>h >out 2>&1; say $R start $C; await stopped; head -1 out; cat h; say $R delete $C`},
		{name: "a preserved pipe", guest: `while read x <&3; do echo got $x; done; echo end`, script: `(echo a; echo b) | (exec 3<&0; say $R run --preserve-fds 1 --bundle $B $C </dev/null)
			mkfifo p; $R create --preserve-fds 1 --bundle $B $C 3<>p >out 2>&1; echo c >p; say $R start $C; sleep 0.3; say $R delete --force $C; cat out`},
		{name: "preserved descriptors of an exec", guest: forever, script: `
			$R run -d --bundle $B $C >/dev/null 2>&1; echo data >f
			say $R exec --preserve-fds 2 $C sh -c 'cat <&3; echo word >&4' 3<f 4>g; cat g; say $R exec --preserve-fds 1 $C cat /proc/self/fd/3 3<f
			$R exec -d --preserve-fds 1 $C sh -c 'echo later >&3' 3>h >/dev/null 2>&1; sleep 0.5; cat h
			(say $R exec --preserve-fds 1 $C sh -c 'sleep 0.3; echo x >&3; exec 3>&-; sleep 0.1' 3>&1 >/dev/null) | cat; say $R delete --force $C`},
		{name: "preserved directories", guest: `cd /proc/self/fd/3 && ls; cat f; echo new >g; mkdir -p h/i; cat /proc/self/fd/4; cd /proc/self/fd/5/sub && ls && cd .. && ls; cd /; cat /proc/self/fd/3/g`, script: `
			mkdir x y y/sub; echo text >x/f; echo file >f; touch y/sub/deep; say $R run --preserve-fds 3 --bundle $B $C 3<x 4<f 5<y; cat x/g; ls x; rm -r x/h
			say $R create --preserve-fds 1 --bundle $B $C 3<x >out </dev/null; say $R start $C; await stopped; say $R delete $C; head -2 out`},
		{name: "a preserved directory with mounts that are shared", guest: `ls -d /proc/self/fd/3/proc | wc -l`, script: `
			mkdir x; export R B C; say unshare -m --propagation shared sh -c 'mount -t tmpfs t x && mkdir x/proc && mount -t proc p x/proc && $R run --preserve-fds 1 --bundle $B $C 3<x; grep -c "$PWD/x" /proc/self/mountinfo; ls x/proc | grep -c self'`},
		{name: "activated sockets", guest: `echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4`, script: `
			echo one >f; echo two >g; sh -c "LISTEN_PID=\$\$ LISTEN_FDS=1 exec $R run --preserve-fds 1 --bundle $B $C" 3<f 4<g; echo "= $?"
			sh -c "LISTEN_PID=1 LISTEN_FDS=1 exec $R run --bundle $B $C" 2>/dev/null 3<f 4<g; echo "= $?"`},
	}
}

// Who enters the mount namespace of a container of podman's, as podman does, sees its
// files; hull's process does not, and what is there cannot be executed on the host.
func TestView(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	sp := spec(t, forever)
	sp.Annotations = map[string]string{"io.container.manager": "libpod"}
	const script = `$R run -d --bundle $B --pid-file pid $C >/dev/null 2>&1 </dev/null; P=$(cat pid)
		ls -A /proc/$P/root/ | wc -l; ls -A /proc/$P/root/../ | wc -l; wc -l </proc/$P/mountinfo; nsenter --mount=/proc/$P/ns/mnt /bin/busybox true 2>&1 | grep -o 'bin/busybox: .*'
		nsenter --mount=/proc/$P/ns/mnt /bin/nosuch 2>&1 | grep -o 'No such.*'; $R delete --force $C`
	c := exec.Command("sh", "-c", script)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "R="+sandbox.Binary(t)+" --root "+filepath.Join(c.Dir, "state"), "C=hull-view", "B="+bundle(t, sp), "LC_ALL=C")
	out, err := c.CombinedOutput()
	const want = "0\n0\n0\nbin/busybox: Permission denied\nNo such file or directory\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}

// A container serves connections of sockets that its caller listens on, with hull as
// with runc.
func TestListening(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can run this")
	}
	sp := spec(t, "")
	sp.Process.Args = []string{"/tmp/accept", "2"}
	sp.Mounts = append(sp.Mounts, specs.Mount{Destination: "/tmp/accept", Type: "bind", Source: sandbox.Compile(t, "testdata/accept.c", "-static"), Options: []string{"bind", "ro"}})
	run := func(runtime, name string) string {
		dir := t.TempDir()
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		local, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		c := exec.Command(runtime, "--root", filepath.Join(dir, "state"), "run", "--preserve-fds", "2", "--bundle", bundle(t, sp), "hull-listening-"+name)
		for _, l := range []interface{ File() (*os.File, error) }{tcp, local} {
			f, err := l.File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c.ExtraFiles = append(c.ExtraFiles, f)
		}
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for _, at := range []net.Addr{tcp.Addr(), tcp.Addr(), local.Addr(), local.Addr()} {
			conn, err := net.Dial(at.Network(), at.String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte("asked")); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			t.Logf("%s: %s answers %q, %v", name, at.Network(), answer, err)
			if len(answer) == 0 {
				t.Errorf("%s: no answer at %s", name, at.Network())
			}
			conn.Close()
		}
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return out.String()
	}
	want, got := run("runc", "runc"), run(sandbox.Binary(t), "hull")
	if got != want {
		t.Errorf("with hull:\n%s\nwith runc:\n%s", got, want)
	}
}
