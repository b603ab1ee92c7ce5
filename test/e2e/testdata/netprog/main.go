// Netprog uses the network as Go programs do, and prints what is the same each
// time.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

func main() {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %s", r.Method, r.URL.Path, len(b), r.Proto)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that were begun in vain
	s.StartTLS()
	defer s.Close()
	c := s.Client()
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := c.Post(s.URL+"/x", "text/plain", strings.NewReader(strings.Repeat("x", 100000)))
			if err != nil {
				fmt.Println(err)
				return
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if strings.HasPrefix(string(b), "POST /x 100000") {
				mu.Lock()
				n++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	fmt.Println("posts", n)
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	fmt.Println(err)
	x, err := net.Dial("udp", u.LocalAddr().String())
	x.Write([]byte("hello"))
	b := make([]byte, 10)
	k, _, err := u.ReadFrom(b)
	fmt.Println(k, err, string(b[:k]))
	var d net.Dialer
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = d.DialContext(ctx, "tcp", "127.0.0.1:1")
	fmt.Println(err)
	_, err = net.Dial("tcp", "127.0.0.1:1")
	fmt.Println(err)
}
