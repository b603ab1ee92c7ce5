// Command grpc is a server and a client of gRPC, for a container and for the host:
//
//	grpc serve ADDRESS
//	grpc ask ADDRESS CALLS SIZE
//
// The client makes calls of each kind at once and says how many gave what they
// should: one request and one answer, a stream of requests, a stream of answers,
// and both.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The service: Echo answers what it is asked; Sum answers how many bytes came in a
// stream; Count answers as many messages as it is asked for; Talk echoes a stream.
const service = "hull.test.Echo"

type blob = wrapperspb.BytesValue

func description() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			m := &blob{}
			return m, dec(m)
		}}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Sum", ClientStreams: true, Handler: sum},
			{StreamName: "Count", ServerStreams: true, Handler: count},
			{StreamName: "Talk", ClientStreams: true, ServerStreams: true, Handler: talk},
		},
	}
}

func sum(_ any, s grpc.ServerStream) error {
	n := 0
	for {
		m := &blob{}
		err := s.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return s.SendMsg(wrapperspb.Bytes([]byte(strconv.Itoa(n))))
		}
		if err != nil {
			return err
		}
		n += len(m.Value)
	}
}

func count(_ any, s grpc.ServerStream) error {
	m := &blob{}
	if err := s.RecvMsg(m); err != nil {
		return err
	}
	n, err := strconv.Atoi(string(m.Value))
	for i := 0; err == nil && i < n; i++ {
		err = s.SendMsg(wrapperspb.Bytes([]byte(strconv.Itoa(i))))
	}
	return err
}

func talk(_ any, s grpc.ServerStream) error {
	for {
		m := &blob{}
		err := s.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.SendMsg(m)
		}
		if err != nil {
			return err
		}
	}
}

func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	s.RegisterService(description(), nil)
	return s.Serve(l)
}

// messages is how many go over a stream.
const messages = 50

// client makes calls.
type client struct {
	conn *grpc.ClientConn
	text []byte
}

func (c *client) echo(ctx context.Context) error {
	got := &blob{}
	if err := c.conn.Invoke(ctx, "/"+service+"/Echo", wrapperspb.Bytes(c.text), got); err != nil {
		return err
	}
	return same(got.Value, c.text)
}

func (c *client) stream(ctx context.Context, name string) (grpc.ClientStream, error) {
	return c.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+service+"/"+name)
}

func (c *client) sum(ctx context.Context) error {
	s, err := c.stream(ctx, "Sum")
	if err != nil {
		return err
	}
	for range messages {
		if err := s.SendMsg(wrapperspb.Bytes(c.text)); err != nil {
			return err
		}
	}
	got := &blob{}
	if err := errors.Join(s.CloseSend(), s.RecvMsg(got)); err != nil {
		return err
	}
	return same(got.Value, []byte(strconv.Itoa(messages*len(c.text))))
}

func (c *client) count(ctx context.Context) error {
	s, err := c.stream(ctx, "Count")
	if err != nil {
		return err
	}
	if err := errors.Join(s.SendMsg(wrapperspb.Bytes([]byte(strconv.Itoa(messages)))), s.CloseSend()); err != nil {
		return err
	}
	for i := range messages {
		got := &blob{}
		if err := s.RecvMsg(got); err != nil {
			return err
		}
		if err := same(got.Value, []byte(strconv.Itoa(i))); err != nil {
			return err
		}
	}
	if err := s.RecvMsg(&blob{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("no end of the stream: %w", err)
	}
	return nil
}

func (c *client) talk(ctx context.Context) error {
	s, err := c.stream(ctx, "Talk")
	if err != nil {
		return err
	}
	for range messages {
		got := &blob{}
		if err := errors.Join(s.SendMsg(wrapperspb.Bytes(c.text)), s.RecvMsg(got)); err != nil {
			return err
		}
		if err := same(got.Value, c.text); err != nil {
			return err
		}
	}
	return s.CloseSend()
}

func same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes came, others than the %d that should", len(got), len(want))
	}
	return nil
}

func ask(addr string, calls, size int) error {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &client{conn, bytes.Repeat([]byte{'g'}, size)}
	kinds := []struct {
		name string
		call func(context.Context) error
	}{{"unary", c.echo}, {"requests", c.sum}, {"answers", c.count}, {"both", c.talk}}
	good := make([]atomic.Int64, len(kinds))
	errs := make(chan error, 1)
	var wg sync.WaitGroup
	for i, k := range kinds {
		for range calls {
			wg.Go(func() {
				if err := k.call(ctx); err == nil {
					good[i].Add(1)
				} else {
					select {
					case errs <- fmt.Errorf("%s: %w", k.name, err):
					default:
					}
				}
			})
		}
	}
	wg.Wait()
	for i, k := range kinds {
		fmt.Printf("%s %d\n", k.name, good[i].Load())
	}
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 4 && args[0] == "ask":
		calls, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		size, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return ask(args[1], calls, size)
	}
	return errors.New("usage: grpc serve ADDRESS | grpc ask ADDRESS CALLS SIZE")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "grpc: %v\n", err)
		os.Exit(1)
	}
}
