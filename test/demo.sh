#!/bin/sh
# What `make run` shows: programs of the host at work inside the sandbox. Their
# files are the host's, what they write stays inside.
set -eu
hull=${HULL:-bin/hull}

show() {
	printf '\n\033[1m$ hull do -- %s\033[0m\n' "$1"
	"$hull" do --cwd /tmp -- bash -c "$1"
}

show 'uname -a; id; ls / | wc -l'
show 'ps aux'
show 'for i in 1 2 3 4 5; do echo $((i * i)); done | sort -rn | paste -sd+ | tee sum; wc -c sum'
show 'python3 -c "
import platform, threading, subprocess
ts = [threading.Thread(target=lambda n=n: print(\"thread\", n)) for n in range(3)]
[t.start() for t in ts]; [t.join() for t in ts]
print(subprocess.run([\"sh\", \"-c\", \"echo from a subprocess; exit 3\"]).returncode)
print(platform.platform())"'
show 'printf "%s\n" "#include <stdio.h>" "int main(void) { puts(\"compiled and run inside hull\"); return 0; }" > hello.c &&
	gcc -O2 -Wall -o hello hello.c && ./hello && ls -l hello'
show 'git init -q repo && cd repo && echo hello > file && git add file &&
	git -c user.name=guest -c user.email=guest@example.org commit -qm "a commit inside hull" && git log --stat'

printf '\nNothing of that is left on the host: '
if [ -e /tmp/hello.c ] || [ -e /tmp/repo ]; then echo 'but there is a /tmp/hello.c or /tmp/repo!'; exit 1; fi
echo 'no /tmp/hello.c, no /tmp/repo.'
