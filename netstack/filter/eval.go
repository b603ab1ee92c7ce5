package filter

import (
	"encoding/binary"

	"hull/netstack/buffer"
	"hull/netstack/filter/conntrack"
	"hull/netstack/header"
)

// Code is what an expression says of how it goes on: NF_* and NFT_*.
type Code int32

// The codes.
const (
	CodeContinue Code = -1
	CodeBreak    Code = -2 // the rule does not match
	CodeJump     Code = -3
	CodeGoto     Code = -4
	CodeReturn   Code = -5
	CodeDrop     Code = 0
	CodeAccept   Code = 1
	codeStolen   Code = 2
)

// Register is where in the registers a value begins, in words of 4 bytes.
type Register uint8

// RegisterBytes is the size of all registers in bytes.
const RegisterBytes = 64

// Expr is one expression of a rule.
type Expr interface {
	// eval works on the registers and the packet, and sets run.code if it does
	// not just go on.
	eval(x *run)
}

// run is one packet at one hook.
type run struct {
	rules *Rules
	set   *Ruleset
	h     Hook
	p     *buffer.Packet
	c     *Context
	pk    conntrack.Packet
	head  []byte // what is contiguous of the packet
	noIP  bool   // it is a frame, but no packet of IP
	ref   *conntrack.Ref
	zones conntrack.Zones // what rules said of the connection to come

	table *Table
	chain *Chain // the base chain
	regs  [RegisterBytes]byte
	code  Code
	to    string // the chain of a jump
	count int    // rules that were passed
}

// wanted is how many bytes of a packet are made contiguous: headers of IP with
// options, and of the transport with its own.
const wanted = 128

// parse reads the packet's headers.
func (x *run) parse() bool {
	x.p.Pull(min(wanted, x.p.Len()))
	x.head = x.p.Head()
	pk, ok := conntrack.Parse(x.head, x.c.V6, x.p.Len())
	x.pk = pk
	return ok
}

// tos is the type of service or the traffic class.
func (x *run) tos() uint8 {
	if x.c.V6 {
		return header.IPv6(x.head).TrafficClass()
	}
	return header.IPv4(x.head).TOS()
}

// base takes the packet through a base chain.
func (x *run) base(s *step) Verdict {
	x.table, x.chain = s.table, s.chain
	x.walk(s.chain)
	switch x.code {
	case CodeDrop:
		return Drop
	case codeStolen:
		return Stolen
	case CodeAccept:
		return Accept
	}
	b := s.chain.Base
	if b.Counter != nil {
		b.Counter.eval(x)
	}
	return b.Policy
}

// frame is where a jump came from.
type frame struct {
	rules []*Rule
	at    int
}

// walk evaluates a chain, and those that it jumps to. What is decided is in
// x.code; CodeContinue if nothing is.
func (x *run) walk(c *Chain) {
	var stack [maxJumps]frame
	depth := 0
	rules, at := c.Rules, 0
	for {
		if at >= len(rules) {
			if depth == 0 {
				x.code = CodeContinue
				return
			}
			depth--
			rules, at = stack[depth].rules, stack[depth].at
			continue
		}
		rule := rules[at]
		at++
		if x.count++; x.count > maxEvaluated {
			x.code = CodeDrop
			return
		}
		x.code = CodeContinue
		for _, e := range rule.Exprs {
			if e.eval(x); x.code != CodeContinue {
				break
			}
		}
		switch x.code {
		case CodeContinue, CodeBreak:
		case CodeReturn:
			at = len(rules)
		case CodeJump, CodeGoto:
			next := x.table.chains[x.to]
			if next == nil {
				continue
			}
			if x.code == CodeJump {
				if depth == maxJumps {
					x.code = CodeDrop
					return
				}
				stack[depth] = frame{rules, at}
				depth++
			}
			rules, at = next.Rules, 0
		default:
			return
		}
	}
}

// word returns a register as a number in the machine's byte order.
func (x *run) word(r Register) uint32 { return binary.NativeEndian.Uint32(x.regs[r*4:]) }

func (x *run) setWord(r Register, v uint32) { binary.NativeEndian.PutUint32(x.regs[r*4:], v) }

// set8 and set16 store a number that is shorter than a word, as nftables does: at
// the beginning of the register, zeros behind it.
func (x *run) set8(r Register, v uint8) {
	x.setWord(r, 0)
	x.regs[r*4] = v
}

func (x *run) set16(r Register, v uint16) {
	x.setWord(r, 0)
	binary.NativeEndian.PutUint16(x.regs[r*4:], v)
}

func (x *run) set16BE(r Register, v uint16) {
	x.setWord(r, 0)
	binary.BigEndian.PutUint16(x.regs[r*4:], v)
}

func (x *run) set64(r Register, v uint64) { binary.NativeEndian.PutUint64(x.regs[r*4:], v) }

// bytes is n bytes of the registers from r on. Expressions are checked when they
// are made, so that they are there.
func (x *run) bytes(r Register, n int) []byte { return x.regs[int(r)*4 : int(r)*4+n] }

// clear zeroes the registers that a value of n bytes takes.
func (x *run) clear(r Register, n int) []byte {
	b := x.regs[int(r)*4 : min(int(r)*4+(n+3)&^3, RegisterBytes)]
	clear(b)
	return b
}

// setString stores a string in n bytes.
func (x *run) setString(r Register, s string, n int) { copy(x.clear(r, n), s) }

func (x *run) fail() { x.code = CodeBreak }

// Fits reports whether n bytes from r on are registers.
func (r Register) Fits(n int) bool { return n > 0 && int(r)*4+n <= RegisterBytes }
