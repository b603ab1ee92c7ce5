package netproxy

import (
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// HostName is a name of the host, which no server has.
const HostName = "host.hull.internal"

// maxAnswers bounds what is read of one answer.
const maxAnswers = 512

// question returns the name that a query asks for.
func question(b []byte) (h dnsmessage.Header, q dnsmessage.Question, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response {
		return h, q, false
	}
	q, err = p.Question()
	return h, q, err == nil
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

// learn takes the addresses of an answer into the table of names: each is one of
// the name that was asked for, whatever aliases lead there.
func (p *Proxy) learn(answer []byte) {
	var ps dnsmessage.Parser
	h, err := ps.Start(answer)
	if err != nil || !h.Response || h.RCode != dnsmessage.RCodeSuccess {
		return
	}
	q, err := ps.Question()
	if err != nil || ps.SkipAllQuestions() != nil {
		return
	}
	asked := []string{canonical(q.Name.String())}
	now := time.Now()
	for range maxAnswers {
		rh, err := ps.AnswerHeader()
		if err != nil {
			return
		}
		ttl := time.Duration(rh.TTL) * time.Second
		switch rh.Type {
		case dnsmessage.TypeA:
			r, err := ps.AResource()
			if err != nil {
				return
			}
			p.names.learn(netip.AddrFrom4(r.A), asked, ttl, now)
		case dnsmessage.TypeAAAA:
			r, err := ps.AAAAResource()
			if err != nil {
				return
			}
			p.names.learn(netip.AddrFrom16(r.AAAA).Unmap(), asked, ttl, now)
		default:
			if ps.SkipAnswer() != nil {
				return
			}
		}
	}
}
