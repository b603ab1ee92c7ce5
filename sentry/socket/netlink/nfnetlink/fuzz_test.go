package nfnetlink

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/filter"
	"hull/netstack/header"
	"hull/netstack/stack"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
	"hull/sentry/usermem"
)

type fixture struct {
	task  *currenttest.Task
	stack *stack.Stack
	sock  socket.Socket
}

func newFixture(t testing.TB) *fixture {
	task := currenttest.New(1 << 20)
	start := time.Now()
	st := stack.New(stack.Config{
		Pool: new(buffer.Pool), Wall: time.Now, Random: func(b []byte) { _, _ = rand.Read(b) },
		Now:   func() int64 { return int64(time.Since(start)) + 1 },
		After: func(d time.Duration, f func()) func() { x := time.AfterFunc(d, f); return func() { x.Stop() } },
	})
	t.Cleanup(st.Close)
	n := netlink.New(socket.NewNetNS(task.Creds.UserNS, 1), st, netlink.Config{Protocols: map[int32]netlink.Protocol{unix.NETLINK_NETFILTER: Protocol{}}})
	s, err := n.Socket(task, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{task, st, s}
}

// ask sends messages and returns the datagrams that answer them.
func (f *fixture) ask(t testing.TB, b []byte) [][]byte {
	t.Helper()
	copy(f.task.Memory.(usermem.Bytes)[1000:], b)
	if _, err := f.sock.Send(f.task, usermem.One(f.task.Mem(), 1000, uint64(len(b))), &socket.Message{}); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for range 1000 {
		n, err := f.sock.Recv(f.task, usermem.One(f.task.Mem(), 500000, 65536), &socket.Message{})
		if err != nil {
			return all
		}
		all = append(all, bytes.Clone(f.task.Memory.(usermem.Bytes)[500000:500000+n]))
	}
	return all
}

// msg writes one message of nftables.
func msg(b *wire.Builder, typ, flags uint16, attrs func()) {
	b.Begin(subsysTables<<8|typ, unix.NLM_F_REQUEST|flags, 1, 0)
	b.Append(byte(filter.INet), 0, 0, 0)
	if attrs != nil {
		attrs()
	}
	b.End()
}

// frame puts messages into a batch.
func frame(write func(b *wire.Builder)) []byte {
	var b wire.Builder
	b.Begin(batchBegin, unix.NLM_F_REQUEST, 0, 0)
	b.Append(0, 0, 0, subsysTables)
	b.End()
	write(&b)
	b.Begin(batchEnd, unix.NLM_F_REQUEST, 0, 0)
	b.Append(0, 0, 0, subsysTables)
	b.End()
	return b.Bytes()
}

// inputChain is a batch with a table, a chain of each hook, and a rule with the
// expressions that write writes.
func inputChain(write func(b *wire.Builder, expr func(name string, data func()))) []byte {
	return frame(func(b *wire.Builder) {
		msg(b, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() { b.String(unix.NFTA_TABLE_NAME, "t") })
		for h := range uint32(5) {
			msg(b, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func() {
				b.String(unix.NFTA_CHAIN_TABLE, "t")
				b.String(unix.NFTA_CHAIN_NAME, "c"+itoa(h))
				n := b.Nest(unix.NFTA_CHAIN_HOOK)
				b.U32BE(unix.NFTA_HOOK_HOOKNUM, h)
				b.U32BE(unix.NFTA_HOOK_PRIORITY, 0)
				b.Close(n)
				b.String(unix.NFTA_CHAIN_TYPE, "filter")
			})
			msg(b, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_ACK, func() {
				b.String(unix.NFTA_RULE_TABLE, "t")
				b.String(unix.NFTA_RULE_CHAIN, "c"+itoa(h))
				list := b.Nest(unix.NFTA_RULE_EXPRESSIONS)
				write(b, func(name string, data func()) {
					n := b.Nest(unix.NFTA_LIST_ELEM)
					b.String(unix.NFTA_EXPR_NAME, name)
					d := b.Nest(unix.NFTA_EXPR_DATA)
					data()
					b.Close(d)
					b.Close(n)
				})
				b.Close(list)
			})
		}
	})
}

// errnoOf is the first error among the answers.
func errnoOf(answers [][]byte) unix.Errno {
	for _, a := range answers {
		h, body, _, ok := wire.Next(a)
		if ok && h.Type == unix.NLMSG_ERROR && binary.NativeEndian.Uint32(body) != 0 {
			return unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		}
	}
	return 0
}

// A batch holds whole or not at all.
func TestBatchIsAtomic(t *testing.T) {
	f := newFixture(t)
	bad := frame(func(b *wire.Builder) {
		msg(b, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() { b.String(unix.NFTA_TABLE_NAME, "t") })
		msg(b, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func() {
			b.String(unix.NFTA_CHAIN_TABLE, "missing")
			b.String(unix.NFTA_CHAIN_NAME, "c")
		})
	})
	if e := errnoOf(f.ask(t, bad)); e != unix.ENOENT {
		t.Errorf("errno %v", e)
	}
	if n := len(f.stack.Rules().Ruleset().Tables); n != 0 {
		t.Errorf("%d tables of a batch that failed", n)
	}
	// Without its end it is none.
	good := frame(func(b *wire.Builder) {
		msg(b, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() { b.String(unix.NFTA_TABLE_NAME, "t") })
	})
	f.ask(t, good[:len(good)-20])
	if n := len(f.stack.Rules().Ruleset().Tables); n != 0 {
		t.Errorf("%d tables of a batch without its end", n)
	}
	gen := f.stack.Rules().Ruleset().Generation
	if e := errnoOf(f.ask(t, good)); e != 0 || len(f.stack.Rules().Ruleset().Tables) != 1 || f.stack.Rules().Ruleset().Generation != gen+1 {
		t.Errorf("errno %v, generation %d", e, f.stack.Rules().Ruleset().Generation)
	}
}

// Jumps that never end are refused when the batch ends.
func TestLoop(t *testing.T) {
	f := newFixture(t)
	loop := frame(func(b *wire.Builder) {
		msg(b, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() { b.String(unix.NFTA_TABLE_NAME, "t") })
		for _, c := range []string{"a", "b"} {
			msg(b, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func() {
				b.String(unix.NFTA_CHAIN_TABLE, "t")
				b.String(unix.NFTA_CHAIN_NAME, c)
			})
		}
		msg(b, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func() {
			b.String(unix.NFTA_CHAIN_TABLE, "t")
			b.String(unix.NFTA_CHAIN_NAME, "in")
			n := b.Nest(unix.NFTA_CHAIN_HOOK)
			b.U32BE(unix.NFTA_HOOK_HOOKNUM, 1)
			b.U32BE(unix.NFTA_HOOK_PRIORITY, 0)
			b.Close(n)
			b.String(unix.NFTA_CHAIN_TYPE, "filter")
		})
		for from, to := range map[string]string{"in": "a", "a": "b", "b": "a"} {
			msg(b, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func() {
				b.String(unix.NFTA_RULE_TABLE, "t")
				b.String(unix.NFTA_RULE_CHAIN, from)
				list := b.Nest(unix.NFTA_RULE_EXPRESSIONS)
				n := b.Nest(unix.NFTA_LIST_ELEM)
				b.String(unix.NFTA_EXPR_NAME, "immediate")
				d := b.Nest(unix.NFTA_EXPR_DATA)
				b.U32BE(unix.NFTA_IMMEDIATE_DREG, 0)
				writeVerdict(b, unix.NFTA_IMMEDIATE_DATA, &filter.VerdictData{Code: filter.CodeJump, Chain: to})
				b.Close(d)
				b.Close(n)
				b.Close(list)
			})
		}
	})
	if e := errnoOf(f.ask(t, loop)); e != unix.EMLINK {
		t.Errorf("errno %v, want EMLINK", e)
	}
}

// packets are some that every ruleset is tried with.
func packets(pool *buffer.Pool) []*buffer.Packet {
	make4 := func(p header.Protocol, rest []byte) *buffer.Packet {
		b := make([]byte, header.IPv4MinSize+len(rest))
		header.IPv4(b).Encode(header.IPv4Fields{TotalLen: uint16(len(b)), TTL: 3, Protocol: p, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")})
		copy(b[header.IPv4MinSize:], rest)
		return pool.NewPacket(pool.CopyIn(b)...)
	}
	tcp := make([]byte, 24)
	header.TCP(tcp).Encode(header.TCPFields{SrcPort: 1, DstPort: 22, Flags: header.SYN, DataOffset: 24})
	copy(tcp[20:], []byte{2, 4, 5, 180})
	six := make([]byte, header.IPv6Size+8)
	header.IPv6(six).Encode(header.IPv6Fields{PayloadLen: 8, Next: header.ProtocolUDP, HopLimit: 1, Src: netip.MustParseAddr("fe80::1"), Dst: netip.MustParseAddr("fe80::2")})
	return []*buffer.Packet{
		make4(header.ProtocolTCP, tcp), make4(header.ProtocolTCP, tcp[:7]), make4(header.ProtocolUDP, []byte{0, 1, 0, 53, 0, 8, 0, 0}),
		make4(header.ProtocolICMP, append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, tcp...)), make4(99, nil), pool.NewPacket(pool.CopyIn(six)...),
	}
}

// Whatever is sent, nothing panics: neither while it is read, nor when it is told,
// nor when packets meet the rules that came of it.
func FuzzBatch(f *testing.F) {
	f.Add(inputChain(func(b *wire.Builder, expr func(string, func())) {
		expr("payload", func() {
			b.U32BE(unix.NFTA_PAYLOAD_DREG, 1)
			b.U32BE(unix.NFTA_PAYLOAD_BASE, filter.PayloadTransport)
			b.U32BE(unix.NFTA_PAYLOAD_OFFSET, 2)
			b.U32BE(unix.NFTA_PAYLOAD_LEN, 2)
		})
		expr("cmp", func() {
			b.U32BE(unix.NFTA_CMP_SREG, 1)
			b.U32BE(unix.NFTA_CMP_OP, 0)
			writeValue(b, unix.NFTA_CMP_DATA, []byte{0, 22})
		})
		expr("counter", func() {})
	}))
	for _, e := range []filter.Expr{
		&filter.Bitwise{Len: 4, Mask: []byte{1, 2, 3, 4}, Xor: make([]byte, 4)}, &filter.ByteOrder{Len: 8, Size: 2}, &filter.Meta{Key: filter.MetaIIFName},
		&filter.CT{Key: filter.CTState}, &filter.Limit{Rate: 1, Unit: 1}, filter.NewQuota(5, true, 0), &filter.Log{Prefix: "x", Level: 4},
		&filter.Reject{Type: 2, Code: 1}, &filter.FIB{Result: 3, Flags: 2}, &filter.NumGen{Modulus: 4}, &filter.Hash{Modulus: 4, Len: 4},
		&filter.ExtHdr{Op: 1, Type: 2, Offset: 2, Len: 2, Store: true}, &filter.Payload{Base: 1, Offset: 1, Len: 1, Store: true, CsumType: 1, CsumOffset: 10, CsumFlags: 1},
		&filter.Range{From: []byte{1}, To: []byte{3}}, filter.NoTrack{}, &filter.ConnLimit{Count: 3}, &filter.Last{}, &filter.Route{Key: 0},
		&filter.Immediate{Verdict: &filter.VerdictData{Code: filter.CodeDrop}},
		&filter.Match{Name: "conntrack", Rev: 3, Info: make([]byte, 164)}, &filter.Target{Name: "LOG", Info: make([]byte, 32)},
		&filter.Match{Name: "multiport", Rev: 1, Info: make([]byte, 48)}, &filter.Target{Name: "TCPMSS", Info: make([]byte, 2)},
	} {
		f.Add(inputChain(func(b *wire.Builder, expr func(string, func())) {
			expr(exprName(e), func() { (&call{}).encodeData(b, e, false) })
		}))
	}
	pool := new(buffer.Pool)
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 16384 {
			return
		}
		x := newFixture(t)
		x.ask(t, in)
		r := x.stack.Rules()
		for _, typ := range []uint16{unix.NFT_MSG_GETTABLE, unix.NFT_MSG_GETCHAIN, unix.NFT_MSG_GETRULE, unix.NFT_MSG_GETSET, unix.NFT_MSG_GETOBJ} {
			var b wire.Builder
			msg(&b, typ, unix.NLM_F_DUMP, nil)
			x.ask(t, b.Bytes())
		}
		dev := &filter.Device{Index: 1, Name: "lo", MTU: 1500}
		for h := range filter.Hooks {
			for _, p := range packets(pool) {
				p.Pull(1)
				c := &filter.Context{V6: p.Head()[0]>>4 == 6, In: dev, Out: dev, Now: 1e9, LinkHeader: make([]byte, 14)}
				if r.Run(h, p, c) != filter.Stolen {
					p.Release()
				}
			}
		}
	})
}
