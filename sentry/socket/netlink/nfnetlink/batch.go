package nfnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"hull/netstack/filter"
	"hull/sentry/current"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
)

// The messages of nftables that destroy: as their likes that delete, but it is no
// error if there is nothing (NFT_MSG_DESTROY*).
const (
	msgDestroyTable = 26
	msgDestroyChain = 27
	msgDestroyRule  = 28
	msgDestroySet   = 29
	msgDestroyElem  = 30
	msgDestroyObj   = 31
	msgDestroyFlow  = 32
)

// answer is what is to be said of one message of a batch.
type answer struct {
	req *netlink.Request
	err error
}

// batch takes a datagram that begins a batch: messages that change the rules, all
// of which hold when it ends, or none. What was wrong is said of each message.
func batch(t current.Task, s *netlink.Sock, data []byte) {
	h, body, rest, _ := wire.Next(data)
	first := netlink.NewRequest(t, s, h, body)
	if err := first.Admin(); err != nil {
		first.Ack(err)
		return
	}
	if len(body) < headerSize || h.Flags&unix.NLM_F_REQUEST == 0 {
		first.Ack(unix.EINVAL)
		return
	}
	if binary.BigEndian.Uint16(body[2:]) != subsysTables {
		first.Ack(unix.EOPNOTSUPP)
		return
	}
	a, err := first.Attrs(headerSize, wire.Policy{1: {Kind: wire.U32}}, false) // NFNL_BATCH_GENID
	if err != nil {
		first.Ack(err)
		return
	}
	rules := s.Net().Stack.Rules()
	tx, err := rules.Begin(a.U32BE(1))
	if err != nil {
		first.Ack(err)
		return
	}
	var events []event
	answers, ended := run(t, s, rest, tx, &events)
	failed := !ended
	for _, x := range answers {
		failed = failed || x.err != nil
	}
	if failed {
		tx.Abort()
	} else if err := tx.Commit(); err != nil {
		answers = append([]answer{{first, err}}, answers...)
		failed = true
	}
	for _, x := range answers {
		x.req.Ack(x.err)
	}
	if failed {
		return
	}
	if h.Flags&unix.NLM_F_ACK != 0 {
		first.Ack(nil)
	}
	tell(first, events, rules.Ruleset().Generation)
}

// run does what the messages of a batch say. ended reports whether it has its end.
func run(t current.Task, s *netlink.Sock, data []byte, tx *filter.Tx, events *[]event) (answers []answer, ended bool) {
	for {
		h, body, rest, ok := wire.Next(data)
		if !ok {
			return answers, false
		}
		data = rest
		r := netlink.NewRequest(t, s, h, body)
		switch {
		case h.Type == batchEnd:
			return answers, true
		case h.Flags&unix.NLM_F_REQUEST == 0, h.Type == batchBegin, h.Type < unix.NLMSG_MIN_TYPE, len(body) < headerSize:
			return append(answers, answer{r, unix.EINVAL}), false
		case h.Type>>8 != subsysTables:
			answers = append(answers, answer{r, unix.EINVAL})
			continue
		}
		c := newCall(r)
		c.tx, c.events = tx, events
		err := c.alter(h.Type & 0xff)
		if err != nil || h.Flags&unix.NLM_F_ACK != 0 {
			answers = append(answers, answer{r, err})
		}
		if len(answers) > maxAnswers {
			return answers, false
		}
	}
}

// maxAnswers bounds the errors that one batch is told.
const maxAnswers = 1 << 12

// alter does one message of a batch.
func (c *call) alter(msg uint16) error {
	switch msg {
	case unix.NFT_MSG_NEWTABLE:
		return c.newTable()
	case unix.NFT_MSG_DELTABLE:
		return c.delTable()
	case unix.NFT_MSG_NEWCHAIN:
		return c.newChain()
	case unix.NFT_MSG_DELCHAIN:
		return c.delChain()
	case unix.NFT_MSG_NEWRULE:
		return c.newRule()
	case unix.NFT_MSG_DELRULE:
		return c.delRule()
	case unix.NFT_MSG_NEWSET:
		return c.newSet()
	case unix.NFT_MSG_DELSET:
		return c.delSet()
	case unix.NFT_MSG_NEWSETELEM:
		return c.newElements()
	case unix.NFT_MSG_DELSETELEM:
		return c.delElements(false)
	case unix.NFT_MSG_NEWOBJ:
		return c.newObject()
	case unix.NFT_MSG_DELOBJ:
		return c.delObject()
	case msgDestroyTable:
		return absent(c.delTable())
	case msgDestroyChain:
		return absent(c.delChain())
	case msgDestroyRule:
		return absent(c.delRule())
	case msgDestroySet:
		return absent(c.delSet())
	case msgDestroyElem:
		return c.delElements(true)
	case msgDestroyObj:
		return absent(c.delObject())
	case msgNewFlowtable:
		return c.newFlowtable()
	case msgDelFlowtable:
		return c.delFlowtable()
	case msgDestroyFlow:
		return absent(c.delFlowtable())
	}
	return unix.EOPNOTSUPP
}

// absent makes it no error that there is nothing to delete.
func absent(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// changed remembers a message about a change, for those who listen and for who
// asked to hear of it.
func (c *call) changed(write func(b *wire.Builder)) {
	echo := c.Header.Flags&unix.NLM_F_ECHO != 0
	if !echo && !c.Net.Listening(unix.NETLINK_NETFILTER, groupTables) {
		return
	}
	var b wire.Builder
	write(&b)
	*c.events = append(*c.events, event{c.Request, b.Bytes()})
}

// tell tells the group what a batch changed, and that there is a new generation.
func tell(first *netlink.Request, events []event, gen uint32) {
	except := map[bool]*netlink.Sock{true: first.Sock}
	for _, e := range events {
		echo := e.req.Header.Flags&unix.NLM_F_ECHO != 0
		if echo {
			e.req.Reply(func(b *wire.Builder) { b.Raw(e.data) })
		}
		first.Net.Multicast(unix.NETLINK_NETFILTER, groupTables, e.data, except[echo])
	}
	if first.Net.Listening(unix.NETLINK_NETFILTER, groupTables) {
		var b wire.Builder
		newCall(first).writeGeneration(&b, gen)
		first.Net.Multicast(unix.NETLINK_NETFILTER, groupTables, b.Bytes(), nil)
	}
}
