#!/bin/sh
# run.sh HULL [MODE...]: runs the checks beside it in a virtual machine of its own, of
# Debian's packages: systemd, docker, containerd, podman and runc, with a kernel that
# has AppArmor and SELinux. HULL is the binary. A mode is how the machine is booted:
#
#	unified   cgroup v2 alone, AppArmor
#	legacy    cgroup v1 alone
#	hybrid    v1's controllers, and v2 for systemd
#	selinux   v2, SELinux instead of AppArmor (permissive)
#
# Without one it is all of them. Each check does the same with runc and with hull and
# compares; "not ok" is told with the difference, and is the script's exit status. At
# the end there is a table of all.
#
#	VM_DIR     where the machine is kept: 6 GB, of which 2 are written (.cache/vm)
#	VM_ACCEL   kvm or tcg; by default kvm, if a kernel comes up with it within a minute
#	VM_BOOT    seconds until the first check begins (900: tcg on a loaded machine is slow)
#	VM_TIME    seconds that a mode may take (5400)
#	ONLY       a pattern: only checks whose names it matches
#
# It needs root, for debootstrap. Of the host it changes nothing but VM_DIR.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
hull=$1
shift
[ $# -gt 0 ] || set -- unified legacy hybrid selinux
dir=${VM_DIR:-.cache/vm}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
say() { echo "vm: $*" >&2; }

packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,linux-image-cloud-amd64,initramfs-tools,iproute2,iputils-ping
packages=$packages,iptables,docker.io,containerd,podman,runc,conmon,netavark,slirp4netns,fuse-overlayfs,uidmap,apparmor,ca-certificates
packages=$packages,procps,busybox-static,jq,policycoreutils,selinux-policy-default,selinux-utils,util-linux

# build makes the machine's disk once.
build() {
	want="$packages $(sed -n '/^build()/,/^}/p' "$here/run.sh" | cksum)"
	[ "$(cat "$dir/built" 2>/dev/null)" != "$want" ] || return 0
	say "building the machine in $dir"
	rm -rf "$dir/root" "$dir/built"
	debootstrap --variant=minbase --include=$packages "${VM_SUITE:-bookworm}" "$dir/root" >"$dir/debootstrap.log" 2>&1 ||
		{ tail -3 "$dir/debootstrap.log"; exit 1; }
	r=$dir/root
	echo hull-vm >"$r/etc/hostname"
	printf '/dev/vda / ext4 defaults 0 1\n/dev/vdb /checks ext4 ro 0 0\n' >"$r/etc/fstab"
	mkdir -p "$r/checks" "$r/etc/docker"
	echo '{"exec-opts": ["native.cgroupdriver=systemd"]}' >"$r/etc/docker/daemon.json"
	cat >"$r/etc/systemd/system/hull-checks.service" <<-U
		[Unit]
		After=multi-user.target docker.service containerd.service
		RequiresMountsFor=/checks
		[Service]
		ExecStart=/bin/sh /checks/boot.sh
		StandardOutput=file:/dev/ttyS1
		StandardError=file:/dev/ttyS1
		[Install]
		WantedBy=graphical.target
	U
	ln -sf /lib/systemd/system/graphical.target "$r/etc/systemd/system/default.target"
	chroot "$r" systemctl -q enable hull-checks.service
	chroot "$r" systemctl -q disable podman-auto-update.timer podman.service apt-daily.timer apt-daily-upgrade.timer 2>/dev/null || :
	cp "$r"/boot/vmlinuz-* "$dir/vmlinuz"
	cp "$r"/boot/initrd.img-* "$dir/initrd"
	rm -f "$dir/base.img"
	truncate -s 6G "$dir/base.img"
	mke2fs -q -t ext4 -d "$r" "$dir/base.img"
	rm -rf "$dir/root"
	echo "$want" >"$dir/built"
}

# boot ACCEL ARGS starts the machine in the background, as $qemu.
boot() {
	accel=$1 cpu=host emulated=
	if [ "$1" != kvm ]; then
		# What is slow to emulate is left out: string instructions that go byte by byte,
		# page tables of five levels, guards around each access to user memory, and a
		# clock that is a device. It makes the checks some three times as fast.
		accel=tcg,thread=multi
		cpu=max,-erms,-la57,-smap,-smep,-umip
		emulated='tsc=reliable clocksource=tsc mitigations=off clearcpuid=112'
	fi
	: >"$dir/console"
	qemu-system-x86_64 -accel "$accel" -cpu $cpu -smp 2 -m 3G -display none -monitor none -no-reboot \
		-serial "file:$dir/console" -serial "file:$dir/out" -kernel "$dir/vmlinuz" -initrd "$dir/initrd" \
		-append "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet loglevel=4 panic=-1 no_timer_check $emulated $2" \
		-drive "file=$dir/disk.img,format=raw,if=virtio,cache=unsafe" -drive "file=$dir/checks.img,format=raw,if=virtio,readonly=on" \
		-nic none -device virtio-rng-pci </dev/null >"$dir/qemu.log" 2>&1 &
	qemu=$!
}

stop() { [ -z "${qemu:-}" ] || kill "$qemu" 2>/dev/null || :; }
trap stop EXIT
trap 'exit 1' INT TERM

# Some machines have a kvm that starts no kernel.
accel() {
	[ -z "${VM_ACCEL:-}" ] || { echo "$VM_ACCEL"; return; }
	[ -w /dev/kvm ] || { echo tcg; return; }
	boot kvm "panic=-1 init=/bin/false loglevel=7"
	i=0
	while [ $i -lt 60 ] && kill -0 $qemu 2>/dev/null && ! grep -q 'Linux version' "$dir/console"; do i=$((i + 1)); sleep 1; done
	kill $qemu 2>/dev/null || :
	wait $qemu 2>/dev/null || :
	if grep -q 'Linux version' "$dir/console"; then echo kvm; else echo tcg; fi
}

# check MODE. A kernel that is emulated on a busy machine does not always come up.
check() {
	for try in 1 2 3; do
		check_once "$1" && return
		[ ! -s "$dir/out" ] || return 1
		say "$1: it did not come up; the last that it said:"
		tail -n 15 "$dir/console" | sed "s/^/$1: console: /" >&2
	done
	return 1
}

check_once() {
	case $1 in
	unified) args='' parts='podman containerd apparmor systemd docker' ;;
	legacy) args='systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1' parts='podman containerd systemd docker' ;;
	hybrid) args='systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=0' parts='podman containerd systemd docker' ;;
	selinux) args='security=selinux selinux=1 enforcing=0' parts='selinux' ;;
	*) say "no such mode: $1"; exit 2 ;;
	esac
	d=$dir/checks
	rm -rf "$d"
	cp -r "$here/checks" "$d"
	cp "$hull" "$d/hull"
	printf 'PARTS="%s"\nONLY="%s"\nexport ONLY\n' "$parts" "${ONLY:-}" >"$d/which.sh"
	rm -f "$dir/checks.img" "$dir/out"
	truncate -s 100M "$dir/checks.img"
	mke2fs -q -t ext4 -d "$d" "$dir/checks.img"
	cp --sparse=always "$dir/base.img" "$dir/disk.img"
	say "$1: booting with $ACCEL"
	: >"$dir/out"
	boot "$ACCEL" "systemd.show_status=1 systemd.mask=podman-auto-update.service $args"
	tail -n +1 -f --pid=$qemu "$dir/out" | sed -u "s/^/$1: /" &
	begin=$(date +%s)
	while kill -0 $qemu 2>/dev/null; do
		took=$(($(date +%s) - begin))
		[ -s "$dir/out" ] || [ $took -lt "${VM_BOOT:-900}" ] || { say "$1: no check began within $took s"; kill $qemu; break; }
		[ $took -lt "${VM_TIME:-5400}" ] || { say "$1: not done within $took s"; kill $qemu; break; }
		sleep 1
	done
	wait
	qemu=
	rm -f "$dir/disk.img"
	cp "$dir/out" "$dir/out.$1"
	grep -q '^all passed' "$dir/out"
}

# table prints what became of each check, of all modes.
table() {
	echo '| mode | check | runc | hull |'
	echo '|---|---|---|---|'
	for mode; do
		sed -n '/^| check /,/ passed, /s/^| \([a-zA-Z]*: .*\)/| '"$mode"' | \1/p' "$dir/out.$mode"
		grep -q ' passed, [0-9]* failed' "$dir/out.$mode" || echo "| $mode | it did not come to its end | | |"
	done
}

build
rm -f "$dir/disk.img" "$dir/checks.img"
truncate -s 1M "$dir/disk.img" "$dir/checks.img"
ACCEL=$(accel)
failed=
for mode; do check "$mode" || failed="$failed $mode"; done
table "$@"
[ -z "$failed" ] || { echo "vm: failed:$failed"; exit 1; }
echo "vm: all modes passed: $*"
