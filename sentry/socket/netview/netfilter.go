package netview

import (
	"bytes"

	"hull/sentry/socket/xtables"
)

// tables is /proc/net/ip_tables_names, and ip6_tables_names: what iptables-legacy
// has set.
func (v *View) tables(w *bytes.Buffer, v6 bool) {
	for _, name := range (xtables.Tables{Stack: v.stack, V6: v6}).Names() {
		w.WriteString(name + "\n")
	}
}
