package genetlink

import (
	"golang.org/x/sys/unix"

	"hull/netstack/stack"
	"hull/sentry/socket/netlink/wire"
)

// Sets of strings: what numbers in ethtool's messages are called.
const (
	setFeatures     = 4  // ETH_SS_FEATURES
	setTimestamping = 12 // ETH_SS_SOF_TIMESTAMPING
	setsEnd         = 25 // those from here on are not known to Linux either

	strsetSets   = 2 // ETHTOOL_A_STRSET_STRINGSETS
	strsetCounts = 3 // ETHTOOL_A_STRSET_COUNTS_ONLY
	setsSet      = 1 // ETHTOOL_A_STRINGSETS_STRINGSET
	setID        = 1 // ETHTOOL_A_STRINGSET_ID
	setCount     = 2
	setStrings   = 3
	stringsEntry = 1 // ETHTOOL_A_STRINGS_STRING
	stringIndex  = 1
	stringValue  = 2

	maxSets = 64 // that one request may ask for
)

// timestampNames are the names of SOF_TIMESTAMPING_* by their bits.
func timestampNames() []string {
	return []string{
		"hardware-transmit", "software-transmit", "hardware-receive", "software-receive", "software-system-clock",
		"hardware-legacy-clock", "hardware-raw-clock", "option-id", "sched-transmit", "ack-transmit", "option-cmsg",
		"option-tsonly", "option-stats", "option-pktinfo", "option-tx-swhw", "bind-phc", "option-id-tcp", "option-rx-filter",
		"tx-completion",
	}
}

// strings is ETHTOOL_MSG_STRSET_GET: the strings of sets that are the same for all
// interfaces, or, of an interface, those of its own, of which none has any.
func (q *question) strings() error {
	n, err := q.device(false)
	if err != nil {
		return err
	}
	if q.IsDump() {
		return q.Dump(0, nil)
	}
	var ids []uint32
	if !q.attrs.Has(strsetSets) && n == nil {
		ids = []uint32{setFeatures, setTimestamping}
	}
	wire.Each(q.attrs.Bytes(strsetSets), func(_ uint16, _ int, v []byte) bool {
		a, werr := wire.Parse(v, wire.Policy{setID: {Kind: wire.U32}}, false)
		switch id := a.U32(setID); {
		case werr != nil || !a.Has(setID) || len(ids) >= maxSets:
			err = unix.EINVAL
		case id >= setsEnd:
			err = q.Fail(unix.EOPNOTSUPP, "unknown string set id")
		case n == nil && (id < setFeatures || id == 7): // tests, counters, private flags
			err = q.Fail(unix.EINVAL, "requested per device strings without dev")
		default:
			ids = append(ids, id)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	q.Reply(func(b *wire.Builder) {
		q.Begin(b, ethtoolID, 0)
		if n != nil {
			about(b, msgStrsetGet, n)
		} else {
			b.Append(msgStrsetGet, ethtoolVersion, 0, 0)
		}
		sets := b.NestFlagged(strsetSets)
		for _, id := range ids {
			writeSet(b, id, q.attrs.Has(strsetCounts))
		}
		b.Close(sets)
		b.End()
	})
	return nil
}

// writeSet writes a set, nothing for one that is empty.
func writeSet(b *wire.Builder, id uint32, countOnly bool) {
	var names []string
	switch id {
	case setFeatures:
		names = stack.FeatureNames()
	case setTimestamping:
		names = timestampNames()
	default:
		return
	}
	set := b.NestFlagged(setsSet)
	b.U32(setID, id)
	b.U32(setCount, uint32(len(names)))
	if !countOnly {
		all := b.NestFlagged(setStrings)
		for i, name := range names {
			s := b.NestFlagged(stringsEntry)
			b.U32(stringIndex, uint32(i))
			b.String(stringValue, name)
			b.Close(s)
		}
		b.Close(all)
	}
	b.Close(set)
}
