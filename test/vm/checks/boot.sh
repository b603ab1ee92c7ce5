#!/bin/sh
# What the virtual machine does when it is up: the checks, and its own end.
. /checks/which.sh
cp /checks/hull /usr/local/bin/hull
hull install --docker --podman >/dev/null
# The image: busybox.
mkdir -p /i/bin /i/etc /i/tmp /i/root /i/proc /i/dev /i/sys
chmod 1777 /i/tmp
cp /bin/busybox /i/bin/
for a in $(/bin/busybox --list); do ln -s busybox "/i/bin/$a" 2>/dev/null; done
echo root:x:0:0:root:/root:/bin/sh >/i/etc/passwd
tar -C /i -c . >/i.tar
systemctl restart docker
docker import /i.tar box >/dev/null
echo "$(uname -r), $(stat -fc %T /sys/fs/cgroup), $(cat /sys/kernel/security/lsm), docker's driver $(docker info -f '{{.CgroupDriver}} {{.CgroupVersion}}')"
if sh /checks/main.sh $PARTS; then echo all passed; else echo failed; fi
systemctl poweroff
