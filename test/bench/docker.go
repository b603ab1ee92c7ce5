package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	dockerd "hull/test/internal/docker"
)

// docker is a dockerd of the benchmark's own, started when it is needed.
type docker struct {
	dir      string
	runtimes []*ociRuntime
	daemons  *dockerd.Daemons // once they are started
	failed   error            // why there are none
}

const benchImage = "hull-bench:1"

// run takes the time of `docker run` of `true`.
func (d *docker) run(r *ociRuntime) (figures, error) {
	if d.daemons == nil && d.failed == nil {
		d.failed = d.start()
	}
	if d.failed != nil {
		return nil, d.failed
	}
	begin := time.Now()
	if _, err := d.daemons.Docker("run", "--rm", "--network", "none", "--runtime", r.name, benchImage, "true"); err != nil {
		return nil, err
	}
	return figures{"docker run true (ms)": ms(time.Since(begin))}, nil
}

// start starts dockerd, and makes the image.
func (d *docker) start() (err error) {
	paths := map[string]string{}
	for _, r := range d.runtimes {
		paths[r.name] = r.path
	}
	if d.daemons, err = dockerd.Start(dockerd.Options{Runtimes: paths}); err != nil {
		return err
	}
	script := `tar -C "$0" -c . | docker import --change 'ENV PATH=/bin' - ` + benchImage
	c := exec.Command("sh", "-c", script, filepath.Join(d.dir, "busybox"))
	c.Env = d.daemons.Env
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %w: %s", err, out)
	}
	return nil
}

// stop ends dockerd and takes away what it made.
func (d *docker) stop() error {
	if d.daemons == nil {
		return nil
	}
	return d.daemons.Close()
}
