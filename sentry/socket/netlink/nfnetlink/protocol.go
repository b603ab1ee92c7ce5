package nfnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/current"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// Protocol is NETLINK_NETFILTER.
type Protocol struct{}

var (
	_ netlink.Protocol = Protocol{}
	_ netlink.Guarded  = Protocol{}
	_ netlink.Watcher  = Protocol{}
	_ netlink.Closer   = Protocol{}
)

// The subsystems, NFNL_SUBSYS_*, and what frames a batch.
const (
	subsysConntrack = 1
	subsysExpect    = 2
	subsysLog       = 4
	subsysTables    = 10
	subsysCompat    = 11

	batchBegin = 0x10
	batchEnd   = 0x11

	groupConnNew     = 1
	groupConnUpdate  = 2
	groupConnDestroy = 3
	groupTables      = 7
	groups           = 9

	headerSize = 4 // struct nfgenmsg
)

// Groups implements netlink.Protocol.
func (Protocol) Groups() int { return groups }

// Open implements netlink.Guarded: only CAP_NET_ADMIN may listen.
func (Protocol) Open() (listen, send bool) { return false, false }

// Receive implements netlink.Protocol.
func (Protocol) Receive(t current.Task, s *netlink.Sock, data []byte) {
	if h, ok := wire.ParseHeader(data); ok && h.Type == batchBegin {
		batch(t, s, data)
		return
	}
	netlink.Each(t, s, data, func(r *netlink.Request) error {
		if err := r.Admin(); err != nil {
			return err
		}
		return newCall(r).handle()
	})
}

// call is one message.
type call struct {
	*netlink.Request
	rules  *filter.Rules
	family filter.Family
	tx     *filter.Tx // of a batch
	events *[]event   // of a batch: what is to be told once it holds
}

// event is a message about a change.
type event struct {
	req  *netlink.Request
	data []byte
}

func newCall(r *netlink.Request) *call {
	c := &call{Request: r, rules: r.Net.Stack.Rules()}
	if len(r.Body) >= headerSize {
		c.family = filter.Family(r.Body[0])
	}
	return c
}

func (c *call) handle() error {
	if len(c.Body) < headerSize {
		return unix.EINVAL
	}
	msg := c.Header.Type & 0xff
	switch c.Header.Type >> 8 {
	case subsysTables:
		return c.tables(msg)
	case subsysCompat:
		return c.compat(msg)
	case subsysConntrack:
		return c.conntrack(msg)
	case subsysLog:
		return c.log(msg)
	case subsysExpect:
		if c.IsDump() {
			return c.Dump(0, nil)
		}
	}
	return unix.EINVAL
}

// tables answers a request of nftables that changes nothing.
func (c *call) tables(msg uint16) error {
	switch msg {
	case unix.NFT_MSG_GETTABLE:
		return c.getTable()
	case unix.NFT_MSG_GETCHAIN:
		return c.getChain()
	case unix.NFT_MSG_GETRULE, unix.NFT_MSG_GETRULE_RESET:
		return c.getRule(msg == unix.NFT_MSG_GETRULE_RESET)
	case unix.NFT_MSG_GETSET:
		return c.getSet()
	case unix.NFT_MSG_GETSETELEM, msgGetElemReset:
		return c.getElements(msg == msgGetElemReset)
	case unix.NFT_MSG_GETOBJ, unix.NFT_MSG_GETOBJ_RESET:
		return c.getObject(msg == unix.NFT_MSG_GETOBJ_RESET)
	case unix.NFT_MSG_GETGEN:
		return c.getGeneration()
	case msgGetFlowtable:
		return c.getFlowtable()
	}
	return unix.EINVAL // what changes something comes in a batch
}

const (
	msgNewFlowtable = 22 // NFT_MSG_NEWFLOWTABLE, and so on
	msgGetFlowtable = 23
	msgDelFlowtable = 24
	msgGetElemReset = 33 // NFT_MSG_GETSETELEM_RESET
)

// begin starts a message of nftables; what it says is of generation gen.
func (c *call) begin(b *wire.Builder, msg, flags uint16, family filter.Family, gen uint32) {
	c.Begin(b, subsysTables<<8|msg, flags)
	b.Append(binary.BigEndian.AppendUint16([]byte{byte(family), 0}, uint16(gen))...)
}

func (c *call) getGeneration() error {
	gen := c.rules.Ruleset().Generation
	c.Reply(func(b *wire.Builder) { c.writeGeneration(b, gen) })
	return nil
}

func (c *call) writeGeneration(b *wire.Builder, gen uint32) {
	_, tgid := c.Task.IDs()
	c.begin(b, unix.NFT_MSG_NEWGEN, 0, 0, gen)
	b.U32BE(unix.NFTA_GEN_ID, gen)
	b.U32BE(unix.NFTA_GEN_PROC_PID, uint32(tgid))
	b.String(unix.NFTA_GEN_PROC_NAME, "nft")
	b.End()
}

// compat answers whether a match or target of iptables is there: NFNL_MSG_COMPAT_GET.
func (c *call) compat(msg uint16) error {
	if msg != 0 {
		return unix.EINVAL
	}
	a, err := c.Attrs(headerSize, wire.Policy{
		unix.NFTA_COMPAT_NAME: {Kind: wire.String, Max: 31}, unix.NFTA_COMPAT_REV: {Kind: wire.U32}, unix.NFTA_COMPAT_TYPE: {Kind: wire.U32},
	}, false)
	if err != nil {
		return err
	}
	if !a.Has(unix.NFTA_COMPAT_NAME) || !a.Has(unix.NFTA_COMPAT_REV) || !a.Has(unix.NFTA_COMPAT_TYPE) {
		return unix.EINVAL
	}
	name, rev, target := a.String(unix.NFTA_COMPAT_NAME), a.U32BE(unix.NFTA_COMPAT_REV), a.U32BE(unix.NFTA_COMPAT_TYPE)
	if target == 0 && !filter.HasMatch(c.family, name, rev) || target != 0 && !filter.HasTarget(name, rev) {
		return unix.ENOENT
	}
	c.Reply(func(b *wire.Builder) {
		c.Begin(b, subsysCompat<<8, unix.NLM_F_MULTI)
		b.Append(byte(c.family), 0, 0, 0)
		b.String(unix.NFTA_COMPAT_NAME, name)
		b.U32BE(unix.NFTA_COMPAT_REV, rev)
		b.U32BE(unix.NFTA_COMPAT_TYPE, target)
		b.End()
	})
	return nil
}
