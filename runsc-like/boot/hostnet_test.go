package boot

import (
	"fmt"
	"testing"

	"hull/runsc-like/jail"
	"hull/sentry/socket/hostinet"
)

// The options that the guest's sockets hand on and those that the sentry's filter
// lets through are the same: one that the filter does not know would end the sandbox.
func TestHostOptions(t *testing.T) {
	may := map[string]bool{}
	for _, r := range jail.HostNetworkRules() {
		if r.Call == "getsockopt" || r.Call == "setsockopt" {
			may[fmt.Sprintf("%s %d %d", r.Call, int32(r.Args[0].Value), int32(r.Args[1].Value))] = true
		}
	}
	for _, o := range hostinet.Options() {
		for call, does := range map[string]bool{"getsockopt": o.Get, "setsockopt": o.Set} {
			k := fmt.Sprintf("%s %d %d", call, o.Level, o.Name)
			if does && !may[k] {
				t.Errorf("the filter lacks %s", k)
			}
			delete(may, k)
		}
	}
	for k := range may {
		t.Errorf("the filter has %s, which no socket needs", k)
	}
}
