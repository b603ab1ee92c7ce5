# Words of the checks' scripts.

run() { docker run --network none --runtime "$R" "$@"; }
say() { "$@" 2>/dev/null; echo "= $?"; }
back() { run -d --name "$N" "$@" >/dev/null; until_is '{{.State.Running}}' true; }
state() { docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' "$N"; }
id() { docker inspect -f '{{.Id}}' "$N"; }
until_is() { i=0; until [ "$(docker inspect -f "$1" "$N")" = "$2" ]; do i=$((i+1)); [ $i -lt 300 ] || { echo "never $2"; return; }; sleep 0.2; done; }
# waits for a command to succeed
await() { i=0; until "$@" >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 300 ] || { echo "never: $*"; return; }; sleep 0.2; done; }
# a property of a systemd unit
property() { systemctl $USERMODE show -p "$2" --value "$1"; }
# the directory of a process's cgroup, of v2 or of the named controller of v1
cgroup() {
	if [ -d /sys/fs/cgroup/unified ] || [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo "/sys/fs/cgroup/$2$(awk -F: -v c="$2" '{n=split($2,a,","); for(i=1;i<=n;i++) if(a[i]==c) print $3}' /proc/$1/cgroup)"
	else
		echo "/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$1/cgroup)"
	fi
}
# the processor time that a process's cgroup has used, in nanoseconds
used() {
	if [ -e "$(cgroup $1 cpuacct)/cpuacct.usage" ]; then cat "$(cgroup $1 cpuacct)/cpuacct.usage"; else awk '/^usage_usec/{print $2 "000"}' "$(cgroup $1 cpu)/cpu.stat"; fi
}
# bundle DIR ARGS...: a bundle of the image with a process of these arguments
bundle() {
	mkdir -p "$1"; ln -sfn /i "$1/rootfs"; b=$1; shift
	runc spec -b "$b" 2>/dev/null
	args=$(printf '%s\n' "$@" | jq -R . | jq -sc .)
	jq ".process.args=$args | .process.terminal=false | .root.path=\"/i\"" "$b/config.json" >"$b/c" && mv "$b/c" "$b/config.json"
}
# edit FILTER: changes the bundle's configuration
edit() { jq "$1" b/config.json >b/c && mv b/c b/config.json; }
