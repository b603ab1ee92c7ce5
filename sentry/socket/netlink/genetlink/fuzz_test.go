package genetlink

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hull/netstack/buffer"
	"hull/netstack/stack"
	"hull/sentry/current/currenttest"
	"hull/sentry/socket"
	"hull/sentry/socket/netlink"
	"hull/sentry/socket/netlink/wire"
	"hull/sentry/usermem"
)

// ask sends one datagram to the protocol of a new namespace, and returns the types
// and bodies of what answers.
func ask(t testing.TB, in []byte) (types []uint16, bodies [][]byte) {
	t.Helper()
	task := currenttest.New(1 << 20)
	start := time.Now()
	st := stack.New(stack.Config{
		Pool: new(buffer.Pool), Wall: time.Now, Random: func(b []byte) { _, _ = rand.Read(b) },
		Now:   func() int64 { return int64(time.Since(start)) + 1 },
		After: func(d time.Duration, f func()) func() { x := time.AfterFunc(d, f); return func() { x.Stop() } },
	})
	t.Cleanup(st.Close)
	n := netlink.New(socket.NewNetNS(task.Creds.UserNS, 1), st, netlink.Config{
		Protocols: map[int32]netlink.Protocol{unix.NETLINK_GENERIC: Protocol{}},
	})
	if _, err := st.AddNIC(stack.NICConfig{Name: "v0", Kind: stack.KindVeth}); err != nil {
		t.Fatal(err)
	}
	s, err := n.Socket(task, unix.SOCK_RAW, unix.NETLINK_GENERIC)
	if err != nil {
		t.Fatal(err)
	}
	mem := task.Memory.(usermem.Bytes)
	copy(mem[1000:], in)
	if _, err := s.Send(task, usermem.One(task.Mem(), 1000, uint64(len(in))), &socket.Message{}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		got, err := s.Recv(task, usermem.One(task.Mem(), 500000, 65536), &socket.Message{})
		if err != nil {
			break
		}
		rest := bytes.Clone(mem[500000 : 500000+got])
		for {
			h, body, next, ok := wire.Next(rest)
			if !ok {
				break
			}
			types, bodies, rest = append(types, h.Type), append(bodies, body), next
		}
	}
	return types, bodies
}

// request is a request of the family about v0.
func request(cmd uint8, flags uint16, attrs func(b *wire.Builder)) []byte {
	var b wire.Builder
	b.Begin(ethtoolID, unix.NLM_F_REQUEST|flags, 1, 0)
	b.Append(cmd, ethtoolVersion, 0, 0)
	h := b.NestFlagged(attrHeader)
	if flags&unix.NLM_F_DUMP == 0 {
		b.String(headerName, "v0")
	}
	b.Close(h)
	if attrs != nil {
		attrs(&b)
	}
	b.End()
	return b.Bytes()
}

func wanted(name string, on bool) func(b *wire.Builder) {
	return func(b *wire.Builder) {
		set := b.NestFlagged(featuresWanted)
		bits := b.NestFlagged(bitsetBits)
		bit := b.NestFlagged(bitsBit)
		b.String(bitName, name)
		if on {
			b.Flag(bitValue)
		}
		b.Close(bit)
		b.Close(bits)
		b.Close(set)
	}
}

// TestDump: a dump has a message of each interface that has something to say.
func TestDump(t *testing.T) {
	for cmd, want := range map[uint8]int{msgLinkStateGet: 3, msgLinkModesGet: 2, msgFeaturesGet: 3, msgChannelsGet: 2, 15: 0} {
		types, _ := ask(t, request(cmd, unix.NLM_F_DUMP, nil))
		if len(types) != want+1 || types[want] != unix.NLMSG_DONE {
			t.Errorf("command %d: messages %v, want %d and the end", cmd, types, want)
		}
	}
}

// FuzzReceive: whatever is asked, the answer is bounded and there is no panic.
func FuzzReceive(f *testing.F) {
	f.Add(request(msgFeaturesSet, unix.NLM_F_ACK, wanted("tx-tcp-segmentation", false)))
	f.Add(request(msgFeaturesSet, 0, func(b *wire.Builder) {
		set := b.NestFlagged(featuresWanted)
		b.U32(bitsetSize, 64)
		b.U64(bitsetValue, 1)
		b.U64(bitsetMask, ^uint64(0))
		b.Close(set)
	}))
	f.Add(request(msgFeaturesGet, unix.NLM_F_DUMP, nil))
	f.Add(request(msgStrsetGet, 0, func(b *wire.Builder) {
		sets := b.NestFlagged(strsetSets)
		set := b.NestFlagged(setsSet)
		b.U32(setID, setFeatures)
		b.Close(set)
		b.Close(sets)
	}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 8192 {
			return
		}
		if _, bodies := ask(t, in); len(bodies) > 10000 {
			t.Fatalf("%d messages", len(bodies))
		}
	})
}
