package lifecycle

import (
	"testing"
	"time"
)

// podLives is what goes on in a pod while something is killed.
const podLives = podPrelude + `
up $a $A; $R exec $a true; $R create --bundle $D --pid-file $b.pid $b </dev/null; $R exec -d $b sleep 100; $R start $b; $R ps $a; $R pause $b; $R resume $b
$R update --pids-limit 100 $a; $R kill $a TERM; sleep 0.05; $R delete $a; up $a $A; $R delete --force $b; $R run -d --bundle $D $b; $R kill $C TERM; $R delete $C
`

// TestPodCrashes kills one of a pod's processes at a random moment of its
// containers' lives, again and again. What was not killed with it goes on or can
// be deleted, and after `delete --force` nothing is left.
func TestPodCrashes(t *testing.T) {
	campaign{
		name: "podcrash", script: podLives, life: 1200 * time.Millisecond, parts: []string{"-b", "", "-a"},
		env: func(t *testing.T, id string) []string {
			return []string{"B=" + bundle(t, podSpec(t, idle, "sandbox", id)),
				"A=" + template(t, podSpec(t, idle, "container", id)), "D=" + template(t, podSpec(t, idle, "container", id))}
		},
	}.run(t)
}
