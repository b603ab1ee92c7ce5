// Package sandbox is what the black-box tests share: the sandbox under test as
// something that starts commands, programs in C compiled once, and a cache for
// what is slow to make.
//
// It knows the binary and its command line, and nothing of what is inside it.
//
// Environment:
//
//	HULL_BIN          the binary; without it bin/hull of this repository
//	HULL_TEST_RUNNER  a command that runs another one in some sandbox, to try
//	                  a test itself: "env" for none, or another sandbox
//	HULL_CACHE        a directory for what is slow to make; without it .cache
//	                  of this repository
package sandbox
