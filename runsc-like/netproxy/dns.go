package netproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// HostName is a name of the host, which no server has.
const HostName = "host.hull.internal"

// maxAnswers bounds what is read of one answer.
const maxAnswers = 512

// question returns the name that a query asks for. A query asks for one, and says
// nothing else: more names would be looked up that nobody looked at.
func question(b []byte) (h dnsmessage.Header, q dnsmessage.Question, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response || h.OpCode != 0 {
		return h, q, false
	}
	if q, err = p.Question(); err != nil || q.Class != dnsmessage.ClassINET {
		return h, q, false
	}
	if _, err = p.Question(); err != dnsmessage.ErrSectionDone {
		return h, q, false
	}
	if _, err = p.AnswerHeader(); err != dnsmessage.ErrSectionDone {
		return h, q, false
	}
	_, err = p.AuthorityHeader()
	return h, q, err == dnsmessage.ErrSectionDone
}

// reply answers a query for the host's own name, or one that is refused. It is nil
// if the query is to be passed on, or is none.
func (p *Proxy) reply(query []byte) (answer []byte, drop bool) {
	h, q, ok := question(query)
	if !ok {
		return nil, true
	}
	name := canonical(q.Name.String())
	isHost := name == HostName
	if !isHost && p.policy.resolves(name) {
		return nil, false
	}
	r := dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true}
	if !isHost {
		r.RCode = dnsmessage.RCodeRefused
		p.denied(name, "its name is not allowed to be looked up")
	}
	b := dnsmessage.NewBuilder(nil, r)
	if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
		return nil, true
	}
	const ttl = 60
	rh := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl}
	var err error
	switch {
	case isHost && q.Type == dnsmessage.TypeA:
		err = b.AResource(rh, dnsmessage.AResource{A: hostAddr4().As4()})
	case isHost && q.Type == dnsmessage.TypeAAAA:
		err = b.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: hostAddr6().As16()})
	}
	if err != nil {
		return nil, true
	}
	answer, err = b.Finish()
	return answer, err != nil
}

// learn takes the addresses of the answer to a query into the table of names: each
// is one of the name that was asked for, whatever aliases lead there.
func (p *Proxy) learn(query, answer []byte) {
	_, asked, ok := question(query)
	if !ok {
		return
	}
	var ps dnsmessage.Parser
	h, err := ps.Start(answer)
	if err != nil || !h.Response || h.RCode != dnsmessage.RCodeSuccess {
		return
	}
	name := canonical(asked.Name.String())
	q, err := ps.Question()
	if err != nil || canonical(q.Name.String()) != name || ps.SkipAllQuestions() != nil {
		return
	}
	var aliases []string
	type address struct {
		netip.Addr
		ttl time.Duration
	}
	var found []address
	for range maxAnswers {
		rh, err := ps.AnswerHeader()
		if err != nil {
			break
		}
		ttl := time.Duration(rh.TTL) * time.Second
		if err := func() error {
			switch rh.Type {
			case dnsmessage.TypeA:
				r, err := ps.AResource()
				found = append(found, address{netip.AddrFrom4(r.A), ttl})
				return err
			case dnsmessage.TypeAAAA:
				r, err := ps.AAAAResource()
				found = append(found, address{netip.AddrFrom16(r.AAAA).Unmap(), ttl})
				return err
			case dnsmessage.TypeCNAME:
				r, err := ps.CNAMEResource()
				if len(aliases) < maxNames {
					aliases = append(aliases, canonical(r.CNAME.String()))
				}
				return err
			}
			return ps.SkipAnswer()
		}(); err != nil {
			break
		}
	}
	now := time.Now()
	for _, a := range found {
		p.names.learn(a.Addr, name, aliases, a.ttl, now)
	}
}

// serveNames answers the queries of a connection one after the other, with the help
// of a server: messages after their lengths (RFC 1035 section 4.2.2). They are looked
// at as those that come as datagrams are.
func (p *Proxy) serveNames(guest io.ReadWriter, server *net.TCPConn) error {
	for {
		query, err := readMessage(guest)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answer, drop := p.reply(query)
		if drop {
			return errNoQuery
		}
		if answer == nil {
			if answer, err = ask(server, query); err != nil {
				return err
			}
			p.learn(query, answer)
		}
		if err := writeMessage(guest, answer); err != nil {
			return err
		}
	}
}

var errNoQuery = errors.New("it is no query")

// ask returns what a server answers to a query.
func ask(server *net.TCPConn, query []byte) ([]byte, error) {
	if err := server.SetDeadline(time.Now().Add(namePatience)); err != nil {
		return nil, err
	}
	if err := writeMessage(server, query); err != nil {
		return nil, err
	}
	for {
		b, err := readMessage(server)
		if err != nil {
			return nil, err
		}
		if len(b) >= 12 && b[0] == query[0] && b[1] == query[1] { // else it is of another query
			return b, nil
		}
	}
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeMessage(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}
