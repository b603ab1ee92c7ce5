package oci

// podmanPodCases are podman's pods, and containers that share a namespace of
// another one. $POD makes the pod $N-pod.
func podmanPodCases() []scriptCase {
	const (
		prelude = `RUNP="$P run --pod $N-pod"; pod() { $P pod create --name $N-pod --network none --infra-image $I --infra-command '/bin/sleep 1000' "$@" >/dev/null; }
			podstate() { $P pod inspect -f '{{.State}}' $N-pod; }; away() { $P pod rm -f -t 0 $N-pod >/dev/null; }
			ns() { $P exec $1 readlink /proc/self/ns/$2; }; same() { [ "$(ns $1 $3)" = "$(ns $2 $3)" ] && echo same $3 || echo other $3; }
			`
		loop = `sh -c 'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.05; done'`
	)
	cases := []scriptCase{
		{"pod", `pod --hostname podhost; $RUNP -d --name $N $I sh -c 'hostname; echo data >/dev/shm/f; sleep 1000' >/dev/null; sleep 0.3; say $RUNP --rm $I sh -c 'hostname; cat /dev/shm/f; ls /tmp; exit 4'
			say $P exec $N sh -c 'echo in; exit 3'; echo data >in; $P cp in $N:/tmp/in; $P exec $N cat /tmp/in; $P cp $N:/etc/passwd out; cat out; $P logs $N; podstate; infra=$($P pod inspect -f '{{.InfraContainerID}}' $N-pod); for n in ipc uts net pid mnt; do same $N $infra $n; done; away; say $P exec $N true`},
		{"pod, one stops", `pod; $RUNP -d --name $N $I ` + loop + ` >/dev/null; $RUNP -d --name $N-b $I ` + loop + ` >/dev/null; sleep 0.5; $P stop -t 10 $N >/dev/null; state
			say $P exec $N-b echo on; $P start $N >/dev/null; sleep 0.5; $P logs $N; $P rm -f -t 0 $N >/dev/null; say $P exec $N-b echo still; podstate; away`},
		{"pod, all stop", `pod; $RUNP -d --name $N $I ` + loop + ` >/dev/null; sleep 0.5; $P pod kill $N-pod >/dev/null; $P wait $N; $P pod start $N-pod >/dev/null; podstate; sleep 0.5; $P logs $N
			$P pod stop -t 5 $N-pod >/dev/null; podstate; state; $P pod restart $N-pod >/dev/null; podstate; $P pod pause $N-pod >/dev/null; podstate; $P pod unpause $N-pod >/dev/null; podstate; away`},
		{"pod with one pid namespace", `pod --share pid,ipc,uts,net; $RUNP -d --name $N $I sh -c 'sleep 1001; true' >/dev/null; sleep 0.3; $RUNP --rm $I sh -c 'ps | grep -c "sleep 100[01]$"; [ $$ = 1 ] || echo no init'
			$RUNP --rm $I sh -c 'kill -9 $(ps | awk "/sleep 1001\$/{print \$1; exit}")'; $P wait $N; podstate; away`},
		{"namespaces of another container", `back $I sh -c 'sleep 1001; true'; $RUN --rm --pid container:$N $I ps | grep -c 'sleep 1001$'; $RUN -d --name $N-b --ipc container:$N --uts container:$N $I sleep 100 >/dev/null
			for n in ipc uts pid; do same $N $N-b $n; done; say $P exec $N-b hostname | grep -c . ; $P rm -f -t 0 $N-b >/dev/null; state`},
	}
	for i := range cases {
		cases[i].script = prelude + cases[i].script
	}
	return cases
}
