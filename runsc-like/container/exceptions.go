package container

// Exception is a property of a configuration that is not, or not wholly, carried
// out. Everything else of the specification is.
type Exception struct {
	Field   string // "mounts[].options"
	Value   string // which values, "" is any
	Refused bool   // it is an error; else it has no effect, which is a warning
	Why     string
}

// The exceptions that a check names.
const (
	exApparmor      = "process.apparmorProfile"
	exSELinux       = "process.selinuxLabel"
	exAffinity      = "process.execCPUAffinity"
	exMountLabel    = "linux.mountLabel"
	exPropagation   = "linux.rootfsPropagation"
	exMountOption   = "mounts[].options"
	exBindData      = "mounts[].options: of bind mounts"
	exKernelMemory  = "linux.resources.memory.kernel"
	exKernelTCP     = "linux.resources.memory.kernelTCP"
	exHierarchy     = "linux.resources.memory.useHierarchy"
	exHostNamespace = "linux.namespaces"
	exJoin          = "linux.namespaces[].path"
	exHostNetwork   = "linux.namespaces[network]"
	exMountType     = "mounts[].type"
	exMountIDs      = "mounts[].uidMappings"
	exDeadline      = "process.scheduler.policy"
	exSeccomp       = "linux.seccomp.listenerPath"
	exTime          = "linux.timeOffsets"
	exRDT           = "linux.intelRdt"
	exMemoryPolicy  = "linux.memoryPolicy"
	exNetDevices    = "linux.netDevices"
)

// Exceptions lists them all.
func Exceptions() []Exception {
	return []Exception{
		{exApparmor, "of `exec`, another than the container's", true, "the container's files and its network have one server each, which has the container's profile"},
		{exSELinux, "of `exec`, another than the container's", true, "as AppArmor's profile"},
		{exAffinity, "", false, "the host schedules a sandbox as a whole, on its cgroup's processors"},
		{exMountLabel, "", false, "the guest's file systems are not the host's"},
		{exPropagation, "shared, slave, unbindable", false, "mounts of the guest and of the host never reach each other"},
		{exMountOption, "shared, slave, unbindable, acl, iversion, lazytime, mand, silent, loud, remount and their opposites", false,
			"the guest's kernel has nothing that they would change"},
		{exBindData, "name=value", false, "a bind mount shows a file system that is mounted already: the host's kernel ignores them too"},
		{exKernelMemory, "", false, "the host's kernel has no such limit any more"},
		{exKernelTCP, "", false, "the host's kernel has no such limit any more"},
		{exHierarchy, "false", false, "the host's kernel always counts what is below"},
		{exHostNamespace, "without pid, ipc, uts or mount", false, "the container gets one of its own: the host's is out of the guest's reach"},
		{exJoin, "of another kind than network, and not `/proc/PID/ns/KIND` of a container of hull's", true, "only containers in one sandbox share a kernel, and so can share namespaces"},
		{exHostNetwork, "missing", false,
			"the host's own network is out of the guest's reach: it has a loopback interface, with `--network=user` a way to the network, with `--network=host` that one"},
		{exMountType, "a host file system's", true, "the guest's kernel mounts its own file systems; the host's come by bind mounts"},
		{exMountIDs, "but of bind mounts", true, "the guest's own file systems have no ids of the host"},
		{exDeadline, "SCHED_DEADLINE", true, "a sandbox has many threads, which cannot share a deadline"},
		{exSeccomp, "`SECCOMP_IOCTL_NOTIF_ADDFD` of directories and anonymous inodes", true, "what leads to other files of the host is not the guest's; all processes of a container have one listener, handed over once"},
		{exTime, "of a container that joins others", true, "those of the first are the sandbox's: its containers share one time namespace"},
		{exRDT, "", true, "cache and memory bandwidth are not divided"},
		{exMemoryPolicy, "", true, "the guest's memory has no nodes; linux.resources.cpu.mems sets the sandbox's"},
		{exNetDevices, "", true, "interfaces of the host are not moved into the guest's kernel"},
	}
}

// why is the reason of an exception.
func why(field string) string {
	for _, e := range Exceptions() {
		if e.Field == field {
			return e.Why
		}
	}
	return ""
}

// ignore warns that the property at has no effect.
func (c *checker) ignore(exception, at string) {
	c.warnf(at, "has no effect: %s", why(exception))
}

// refuse is the error that the property at is not possible.
func refuse(exception, at string) error {
	return fieldf(at, "is not possible: %s", why(exception))
}
