package faultproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// link is a connection of a client, and the one to the server behind it.
type link struct {
	p              *Proxy
	client, server net.Conn
	faults         chan Fault // of the requests under way, in their order
}

// underWay is how many requests of one connection may wait for their replies.
const underWay = 1024

// pieceMax is how large a request or reply may be.
const pieceMax = 256 << 20

// errFault ends a connection.
var errFault = errors.New("a fault")

func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	if !p.keep(client) {
		return
	}
	p.pass()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return // the client sees its connection closed
	}
	defer p.drop(server)
	if !p.keep(server) {
		return
	}
	l := &link{p: p, client: client, server: server, faults: make(chan Fault, underWay)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.pump(client, server, l.request)
	}()
	l.pump(server, client, l.reply)
	<-done
}

// pump moves pieces until something ends it, and with it the link.
func (l *link) pump(from, to net.Conn, decide func(piece []byte) (keep int, err error)) {
	defer func() { _, _ = l.client.Close(), l.server.Close() }() // the other direction ends with this one
	var piece []byte
	for {
		var err error
		if piece, err = l.read(from, piece); err != nil {
			return
		}
		l.p.pass()
		n, fault := decide(piece)
		if _, err := to.Write(piece[:n]); err != nil || fault != nil {
			return
		}
	}
}

// read returns the next piece: of Kafka a whole request or reply, else what is there.
func (l *link) read(from net.Conn, piece []byte) ([]byte, error) {
	if !l.p.kafka {
		piece = append(piece[:0], make([]byte, 64<<10)...)
		n, err := from.Read(piece)
		return piece[:n], err
	}
	piece = append(piece[:0], 0, 0, 0, 0)
	if _, err := io.ReadFull(from, piece); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(piece)
	if size > pieceMax {
		return nil, errors.New("no request or reply of Kafka's")
	}
	piece = append(piece, make([]byte, size)...)
	_, err := io.ReadFull(from, piece[4:])
	return piece, err
}

// request decides about a request.
func (l *link) request(piece []byte) (int, error) {
	key := Any
	if l.p.kafka {
		if len(piece) < 8 {
			return 0, errFault
		}
		key = Key(binary.BigEndian.Uint16(piece[4:]))
	}
	f := l.p.take(key)
	if f == LoseRequest {
		return 0, errFault
	}
	select {
	case l.faults <- f:
		return len(piece), nil
	default:
		return 0, errFault // so many are never under way
	}
}

// reply decides about a reply.
func (l *link) reply(piece []byte) (int, error) {
	f := none
	select {
	case f = <-l.faults:
	default: // of a plain server, the rest of a reply
	}
	switch f {
	case LoseReply:
		return 0, errFault
	case CutReply:
		return len(piece) / 2, errFault
	case KeepSilent:
		_, _ = io.Copy(io.Discard, l.server) // until the client gives up
		return 0, errFault
	}
	return len(piece), nil
}
