# SELinux: the label of a container is that of what acts for its guest on the host.

for L in system_u:system_r:container_t:s0:c1,c2 system_u:system_r:svirt_t:s0:c1,c2; do
	printf %s "$L" 2>/dev/null >/sys/fs/selinux/context && break # the kernel refuses one that the policy does not know
done
export L
echo "label $L"

holds 'selinux: it is at work' 'Permissive' 'getenforce'
same 'selinux: a label' 'bundle b sh -c "cat /etc/passwd; echo x >/tmp/f-$N; cat /tmp/f-$N; rm /tmp/f-$N; tr \"\\0\" \"\\n\" </proc/self/attr/current"; edit ".process.selinuxLabel=\"$L\" | .root.readonly=false"; $R run -b b $N | sed s/$N/NAME/; echo "= $?"'
same 'selinux: who has it' 'bundle b sleep 1000; edit ".process.selinuxLabel=\"$L\""; $R run -d -b b $N </dev/null >/dev/null 2>&1; p=$($R state $N | jq .pid); [ $R = runc ] || p=$(pgrep -x -f "hull gofer"); tr "\0" "\n" </proc/$p/attr/current; $R exec $N echo in; $R exec --process-label $L $N echo in; $R delete -f $N'
same 'selinux: one that the policy does not know' 'bundle b true; edit ".process.selinuxLabel=\"a:b:c:s0\""; $R run -b b $N >/dev/null 2>&1; echo "= $?"; $R list -q | wc -l'
holds 'selinux: it is named' 'apply the SELinux label "a:b:c:s0": invalid argument' 'bundle b true; edit ".process.selinuxLabel=\"a:b:c:s0\""; $R run -b b $N 2>&1 | grep -o "apply.*"'
holds 'selinux: no AppArmor beside it' '1' 'bundle b true; edit ".process.apparmorProfile=\"docker-default\""; $R run -b b $N 2>&1 | grep -c "process.apparmorProfile.*no AppArmor"'
same 'selinux: features' '$R features | jq -c .linux.selinux'
