package oci

import (
	"os/exec"
	"strings"
	"testing"

	"hull/test/internal/sandbox"
)

// buildPrelude is what the scripts have: the docker whose default runtime is the one
// that is told of, $N a name for an image; contents lists what an image has.
const buildPrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
build() { docker build -q --network none -t $N "$@" . >/dev/null 2>log; echo "= $?"; }
contents() {
	id=$(docker create --network none ${1:-$N} true); mkdir -p tree; docker export $id | tar -C tree -xpf -; docker rm $id >/dev/null
	(cd tree && find . -path ./bin -prune -o -path ./dev -prune -o -path ./proc -prune -o -path ./sys -prune -o -printf '%y %m %U:%G %p %l\n' | sort; find . -path ./bin -prune -o -type f -print | sort | xargs md5sum)
	docker inspect -f '{{json .Config.Env}} {{json .Config.Cmd}} {{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Entrypoint}}' ${1:-$N}
}
`

func buildCases() []scriptCase {
	return []scriptCase{
		{"steps", `mkdir d; echo a >d/a; ln -s a d/l; chmod 640 d/a; echo top >top
			cat >Dockerfile <<'X'
FROM hull-test:1
ARG WHO=nobody
ENV GREETING="hi $WHO"
COPY d /d/
COPY --chown=7:8 top /top
WORKDIR /w/x
RUN echo "$GREETING $WHO" >made && mkdir -p sub/dir && ln -s made link && chmod 4711 made && chown 3:4 sub
RUN rm /d/a && mkfifo /w/fifo && ln made hard && echo me:x:99:98::/:/bin/sh >>/etc/passwd
USER 99:98
RUN id -u >/tmp/who && test ! -w /top
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["cat /w/x/made"]
X
			build --build-arg WHO=world; contents; say docker run --rm --network none $N`},
		{"stages", `cat >Dockerfile <<'X'
FROM hull-test:1 AS first
RUN mkdir /out && seq 1000 >/out/numbers && dd if=/dev/zero of=/out/sparse bs=1 count=1 seek=100000 2>/dev/null
ONBUILD RUN echo triggered >/onbuild
FROM hull-test:1
COPY --from=first /out /in
RUN md5sum /in/numbers | cut -c1-32 >/sum
X
			build; contents; docker build -q --network none --target first -t $N-base . >/dev/null; printf 'FROM %s\nRUN cat /onbuild >/copy\n' $N-base >Dockerfile; build; contents; docker rmi -f $N-base >/dev/null`},
		{"a step that fails", `printf 'FROM hull-test:1\nRUN echo said; exit 7\n' >Dockerfile; build; docker build --network none . 2>&1 | grep -o 'returned a non-zero code: 7'; printf 'FROM hull-test:1\nRUN nosuch\n' >Dockerfile; build; printf 'FROM hull-test:1\nSHELL ["/bin/none"]\nRUN x\n' >Dockerfile; build`},
		{"health, volumes and ports", `printf 'FROM hull-test:1\nRUN mkdir /v && echo kept >/v/f\nVOLUME /v\nEXPOSE 80\nSTOPSIGNAL USR1\nHEALTHCHECK CMD true\nLABEL a=b\n' >Dockerfile; build; contents; say docker run --rm --network none $N cat /v/f`},
	}
}

// composePrelude is what the scripts have: $RT, the runtime for the file, $N the
// name of the project.
const composePrelude = `
say() { "$@" 2>/dev/null; echo "= $?"; }
compose() { docker-compose -p $N "$@" 2>/dev/null; echo "= $?"; }
cat >docker-compose.yml <<'X'
version: "2.4"
services:
  store:
    image: hull-test:1
    runtime: $RT
    network_mode: none
    volumes: ["data:/data", "./local:/local:ro"]
    environment: {WORD: "$WORD"}
    command: sh -c 'trap "exit 0" TERM; cat /local/f; echo $$WORD >/data/word; while :; do sleep 0.1; done'
    healthcheck: {test: ["CMD", "test", "-e", "/data/word"], interval: 0.3s}
  reader:
    image: hull-test:1
    runtime: $RT
    network_mode: none
    volumes_from: [store]
    depends_on: {store: {condition: service_healthy}}
    mem_limit: 100m
    command: sh -c 'echo read $$(cat /data/word); exit 4'
volumes: {data: {}}
X
mkdir local; echo mounted >local/f; export WORD=hello
`

func composeCases() []scriptCase {
	return []scriptCase{
		{"up and down", `compose up -d; docker wait ${N}_reader_1; docker logs ${N}_reader_1; docker logs ${N}_store_1; compose exec -T store sh -c 'echo in; cat /data/word; exit 0'; compose exec -T store sh -c 'exit 6'
			docker inspect -f '{{.HostConfig.Runtime}} {{.State.Running}}' ${N}_store_1 | grep -c "$RT true"; compose run --rm reader cat /data/word; compose stop -t 10; docker inspect -f '{{.State.ExitCode}}' ${N}_store_1; compose down -v -t 0; docker ps -aq --filter name=$N; docker volume ls -q --filter name=$N`},
	}
}

// setDefault has `hull install` make hull dockerd's default runtime, or no more.
func (d *daemons) setDefault(t *testing.T, runtime string) {
	t.Helper()
	script := `cd "$0"; how="--docker --docker-config $3"; case $1 in hull) $2 install $how --default ;; *) $2 uninstall $how && $2 install $how ;; esac
		kill -HUP $(cat docker.pid); i=0; until [ "$(docker info -f '{{.DefaultRuntime}}')" = $1 ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done`
	c := exec.Command("sh", "-c", script, d.dir, runtime, sandbox.Binary(t), d.config)
	c.Env = d.env
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("dockerd does not take another default runtime: %v\n%s", err, out)
	}
}

// build runs the cases of docker build, with one runtime after the other as the
// default.
func (d *daemons) build(t *testing.T) {
	e := &teller{
		label:   "build-",
		prelude: buildPrelude,
		env:     func(_, name string) []string { return append(d.env[:len(d.env):len(d.env)], "N="+name) },
		clean: func(_, name string) {
			rm := exec.Command("docker", "rmi", "-f", name)
			rm.Env = d.env
			_ = rm.Run() // some cases have no image
		},
	}
	want := map[string]string{}
	for _, c := range buildCases() {
		want[c.name] = e.tell(t, c, "runc")
	}
	d.setDefault(t, "hull")
	defer d.setDefault(t, "runc")
	prune := exec.Command("docker", "image", "prune", "-f") // no step may come from the cache
	prune.Env = d.env
	if out, err := prune.CombinedOutput(); err != nil {
		t.Fatalf("docker image prune: %v\n%s", err, out)
	}
	for _, c := range buildCases() {
		t.Run(c.name, func(t *testing.T) {
			if got := e.tell(t, c, "hull"); got != want[c.name] {
				t.Errorf("with hull:\n%s\nwith runc:\n%s", got, want[c.name])
			}
			if !strings.Contains(want[c.name], "= 0") && c.name != "a step that fails" {
				t.Errorf("nothing was built with runc:\n%s", want[c.name])
			}
		})
	}
}

// compose runs the cases of docker-compose.
func (d *daemons) compose(t *testing.T) {
	e := &teller{
		label:   "compose-",
		prelude: composePrelude,
		env: func(runtime, name string) []string {
			return append(d.env[:len(d.env):len(d.env)], "N="+name, "RT="+runtime)
		},
		clean: func(_, name string) {
			rm := exec.Command("sh", "-c", `docker rm -f $(docker ps -aq --filter name="$0"); docker volume rm -f "$0"_data`, name)
			rm.Env = d.env
			_ = rm.Run() // the case has taken them down
		},
	}
	e.compare(t, composeCases())
}
