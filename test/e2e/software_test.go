package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// scripts are run by bash in an empty directory, natively and in hull; output
// and status must be the same.
func scripts() map[string]string {
	return map[string]string{
		"pipelines": `
seq 1 1000 | awk '{s+=$1} END {print s}'
printf 'b\na\nc\n' | sort | tee out | head -2; cat out | wc -l
for i in 1 2 3; do (echo "sub $i"; exit $i); echo "rc $?"; done
cat << END | tr a-z A-Z
here document
END
x=$(echo nested $(echo deeper)); echo "$x"; set -o pipefail; false | true; echo $?
mkfifo p; (echo through a fifo > p &); cat p; wait
trap 'echo trapped' USR1; kill -USR1 $$; echo ${BASH_VERSION%%.*}
sleep 0.2 & wait $!; echo "waited $?"; kill -9 $$`,
		"coreutils": `
mkdir -p a/b/c; echo text > a/b/c/f; ln -s b/c/f a/link; ln a/b/c/f a/hard
ls -R a; cat a/link; stat -c '%F %a %h %s' a/hard a/link; stat -c '%F %a %h' a; du -b a/b/c/f | cut -f1
cp -a a z; mv z y; find y -type f | sort; rm -r y; test -e y || echo gone
dd if=/dev/zero bs=1k count=100 2>/dev/null | sha256sum; head -c 1000 /dev/zero | md5sum
chmod 640 a/hard; stat -c %a a/hard; touch -d 2001-02-03T04:05:06Z t; date -u -r t +%FT%T
truncate -s 1M big; stat -c %s big; split -n 4 big; ls x* | wc -l; cat xa? | cmp - big && echo same
timeout 0.2 sleep 5; echo "timeout $?"; nproc > /dev/null; env -i A=1 env; basename /a/b.c .c; printf '%s\n' *`,
		"dpkg": `dpkg -l | wc -l; dpkg -l bash | tail -1 | awk '{print $1,$2,$3}'; dpkg -S /bin/bash /usr/bin/python3 | sort; dpkg -L bash | head -5`,
		"perl": `perl -e 'my %h=map{$_=>$_**2}1..10; print join(",",map{"$_=$h{$_}"}sort{$a<=>$b}keys %h),"\n"; my $p=fork; if(!$p){exit 3} waitpid($p,0); print $?>>8,"\n"; open my $f,"<","/etc/passwd"; print scalar(<$f>); print "ok\n" if "hull"=~/^h.l+$/'`,
		"gcc": `cat > m.c << 'END'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void *work(void *a) { double s = 0; for (int i = 1; i < 100000; i++) s += 1.0 / i / i; *(double *)a = s; return 0; }
int main(void) { pthread_t t[4]; double r[4]; for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, work, &r[i]);
for (int i = 0; i < 4; i++) { pthread_join(t[i], 0); printf("%.6f\n", r[i]); } return 42; }
END
gcc -O2 -Wall -o m m.c -lm -pthread && ./m; echo $?; gcc -static -o s m.c -lm -pthread && ./s | tail -1; printf 'int main(){' > bad.c; gcc bad.c 2>/dev/null; echo "gcc $?"`,
		"git": `git init -q -b main r; cd r; git config user.name n; git config user.email e@example.org
for i in 1 2 3; do echo "line $i" >> f; git add f; GIT_AUTHOR_DATE="2020-01-0$i 00:00:00 +0000" GIT_COMMITTER_DATE="2020-01-0$i 00:00:00 +0000" git commit -qm "commit $i"; done
git log --format='%h %s %ad' --date=short; git checkout -qb side HEAD~1; echo other > g; git add g
GIT_AUTHOR_DATE="2020-02-01 00:00:00 +0000" GIT_COMMITTER_DATE="2020-02-01 00:00:00 +0000" git commit -qm side; git diff --stat main; cd ..; git clone -q r s; git -C s log --oneline --all | wc -l; git -C r gc -q; git -C r fsck && echo sound`,
		"python-threads": `python3 - << 'END'
import threading, queue
q = queue.Queue()
def work(n):
    q.put(sum(range(n * 1000)))
ts = [threading.Thread(target=work, args=(n,)) for n in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(q.queue))
lock, done = threading.Condition(), []
def wait():
    with lock:
        while not done: lock.wait()
        print("woken")
t = threading.Thread(target=wait); t.start()
with lock: done.append(1); lock.notify()
t.join()
END`,
		"python-subprocess": `python3 - << 'END'
import subprocess, os, signal, multiprocessing
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(p.communicate(b"x" * 100000)[0] == b"x" * 100000)
p = subprocess.Popen(["sleep", "100"]); p.terminate(); print(p.wait())
try: subprocess.run(["sleep", "5"], timeout=0.2)
except subprocess.TimeoutExpired as e: print("timeout")
try: subprocess.run(["/nonexistent"])
except FileNotFoundError as e: print(e)
def f(x): return x * x
with multiprocessing.get_context("fork").Pool(3) as pool: print(pool.map(f, range(10)))
END`,
		"python-asyncio": `python3 - << 'END'
import asyncio
async def tick(n):
    await asyncio.sleep(0.01 * n); return n
async def serve(r, w):
    w.write((await r.readline()).upper()); await w.drain(); w.close()
async def main():
    print(await asyncio.gather(*(tick(n) for n in range(10))))
    s = await asyncio.start_unix_server(serve, "sock")
    r, w = await asyncio.open_unix_connection("sock")
    w.write(b"hello\n"); print(await r.readline()); w.close(); s.close()
    p = await asyncio.create_subprocess_exec("echo", "sub", stdout=asyncio.subprocess.PIPE)
    print(await p.communicate())
    try: await asyncio.wait_for(asyncio.sleep(5), 0.1)
    except asyncio.TimeoutError: print("timeout")
asyncio.run(main())
END`,
		"python-sqlite": `python3 - << 'END'
import sqlite3, os
for mode in ("delete", "wal"):
    db = sqlite3.connect(mode + ".db"); print(db.execute("pragma journal_mode=" + mode).fetchone())
    db.execute("create table t(a integer primary key, b text)")
    with db: db.executemany("insert into t(b) values(?)", [("row %d" % i,) for i in range(1000)])
    print(db.execute("select count(*), max(a), min(b) from t").fetchone())
    other = sqlite3.connect(mode + ".db", timeout=0.1)
    db.execute("begin exclusive")
    try: other.execute("insert into t(b) values('x')")
    except sqlite3.OperationalError as e: print(e)
    db.rollback(); db.close(); print(sorted(f for f in os.listdir(".") if f.startswith(mode)))
END`,
		"python-files": `python3 - << 'END'
import os, tempfile, mmap, shutil, fcntl, select, socket, json, hashlib, time
with open("f", "w+b") as f:
    f.write(b"a" * 10000); f.flush(); m = mmap.mmap(f.fileno(), 0); m[0:5] = b"hello"; m.flush(); f.seek(0); print(f.read(8))
d = tempfile.mkdtemp(dir="."); open(d + "/x", "w").write("y"); shutil.copytree(d, "copy"); print(os.listdir("copy")); shutil.rmtree(d)
a, b = socket.socketpair(); a.send(b"x"); print(select.select([b], [], [], 1)[0] == [b])
r, w = os.pipe(); pid = os.fork()
if pid == 0: os.write(w, b"child"); os._exit(5)
print(os.read(r, 10), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(hashlib.sha256(open("/usr/bin/perl", "rb").read()).hexdigest() == hashlib.sha256(open("/usr/bin/perl", "rb").read()).hexdigest())
print(os.stat("f").st_size, os.path.realpath("/proc/self/cwd") == os.getcwd() or not os.path.exists("/proc/self"))
END`,
	}
}

func TestSoftware(t *testing.T) {
	root, bin := debian(t), hull(t)
	for name, script := range scripts() {
		t.Run(name, func(t *testing.T) {
			// The same place on both sides, empty on both.
			const in = `d=/tmp/e2e; rm -rf $d; mkdir -p $d; cd $d; `
			want := run(t, "", "chroot", root, "/bin/bash", "-c", in+script)
			if out, err := exec.Command("rm", "-rf", filepath.Join(root, "tmp", "e2e")).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			got := run(t, "", bin, "do", "--root", root, "--cwd", "/", "--", "/bin/bash", "-c", in+script)
			if want.status < 0 {
				want.status = 128 + 9 // chroot was killed with its script
			}
			if got != want {
				t.Errorf("status %d, output:\n%s\nnatively %d:\n%s", got.status, got.out, want.status, want.out)
			}
		})
	}
}

// TestProcesses looks at what only the sandbox has.
func TestProcesses(t *testing.T) {
	root, bin := debian(t), hull(t)
	got := run(t, "", bin, "do", "--root", root, "--", "/bin/bash", "-c", "ps -eo pid,comm --no-headers | sort -n | head -1 | tr -s ' '; test -d /proc/1 && ls /proc | grep -c '^[0-9]'")
	if got.status != 0 || got.out != " 1 bash\n4\n" && got.out != " 1 bash\n3\n" && got.out != "1 bash\n3\n" && got.out != "1 bash\n4\n" {
		t.Errorf("%+v", got)
	}
}
