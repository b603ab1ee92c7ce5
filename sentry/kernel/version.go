package kernel

// What uname(2) and /proc/version say. The release is that of the Linux whose
// behaviour hull follows; the suffix tells that it is not that kernel.
const (
	SysName = "Linux"
	Release = "6.12.0-hull"
	Version = "#1 SMP hull"
	Machine = "x86_64"
)
