package jail

// #include <malloc.h>
import "C"

import "errors"

// quietLibc keeps the C library, in which Go's threads start, from opening files
// behind the filter's back: asked for memory by a new thread, malloc would count
// processors in /sys to see how many arenas it may have. One is enough.
func quietLibc() error {
	if C.mallopt(C.M_ARENA_MAX, 1) != 1 {
		return errors.New("mallopt(M_ARENA_MAX) failed")
	}
	return nil
}
