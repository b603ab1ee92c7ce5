// Package proto is what the sentry and a gofer say to each other.
//
// One SEQPACKET socket; a packet is one message. The sentry asks, the gofer
// answers each request once, by its tag, in any order:
//
//	sentry                              gofer
//	  Hello{Version}          ───────►
//	                          ◄───────  Hello{Version, how many roots}
//	  Attach{root}            ───────►
//	                          ◄───────  a node: fid and attributes
//	  Walk{fid, names}        ───────►
//	                          ◄───────  as many nodes as were found
//	  Open{fid, flags}        ───────►
//	                          ◄───────  + the file's descriptor (SCM_RIGHTS)
//	  Clunk{fid}              ───────►  (forgets the fid)
//
// Rules that hold whoever sends: a message is at most MaxMessage bytes, a name at
// most MaxName and a single component, a walk at most MaxWalk names; bytes left
// over or missing make the whole message invalid. Both sides decode with the
// same code and trust nothing that comes out of it but its bounds.
package proto

// Version is the version of the protocol: both sides have the same.
const Version = 1

// The bounds of messages.
const (
	MaxMessage = 64 << 10 // bytes of a packet
	MaxName    = 255      // bytes of a name
	MaxTarget  = 4095     // bytes of a symbolic link's target
	MaxWalk    = 32       // names of a walk
	MaxValue   = 32 << 10 // bytes of an extended attribute
	MaxEntries = 2048     // entries of a directory in one reply
)
