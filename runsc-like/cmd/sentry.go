package cmd

import (
	"os"

	"hull/runsc-like/boot"
	"hull/runsc-like/control"
)

// sentryStart is a sentry's configuration, and what is made meanwhile.
type sentryStart struct {
	*control.Config
	early *boot.Early
}

func readSentry(f *os.File) (*sentryStart, error) {
	r, err := control.ReadRole(f)
	if err != nil {
		return nil, err
	}
	s := &sentryStart{}
	if !r.Hold {
		s.early = boot.Begin(r)
	}
	if s.Config, err = control.ReadConfig(f); err == nil && r.Hold {
		await()
		s.early = boot.Begin(r)
	}
	return s, err
}

// sentry is the sandbox process, inside its jail.
func sentry(s *sentryStart) (int, error) {
	conn, err := control.NewConn(control.FDControl)
	if err != nil {
		return 0, err
	}
	t := &thrift{attended: !s.Detached}
	return boot.Run(s.Config, s.early, conn, t.rest)
}
