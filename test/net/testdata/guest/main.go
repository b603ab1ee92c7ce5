// Guest is what runs in the sandbox while it is flooded: servers that answer, that
// never read, and that never stop sending.
//
//	port 7   TCP and UDP: echo
//	port 8   TCP: a line with the name of a file is answered by what is in it
//	port 9   TCP and UDP: nothing is ever read
//	port 19  TCP: bytes without an end
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
)

func main() {
	serve(":7", func(c net.Conn) {
		_, _ = io.Copy(c, c)
		c.Close()
	})
	serve(":8", func(c net.Conn) {
		defer c.Close()
		if name, err := bufio.NewReader(c).ReadString('\n'); err == nil {
			b, _ := os.ReadFile(strings.TrimSpace(name))
			_, _ = c.Write(b)
		}
	})
	serve(":9", func(net.Conn) { select {} })
	serve(":19", func(c net.Conn) {
		b := make([]byte, 64<<10)
		for {
			if _, err := c.Write(b); err != nil {
				c.Close()
				return
			}
		}
	})
	udp, _ := listen("udp", ":7").(net.PacketConn)
	go func() {
		b := make([]byte, 64<<10)
		for {
			if n, from, err := udp.ReadFrom(b); err == nil {
				_, _ = udp.WriteTo(b[:n], from)
			}
		}
	}()
	_ = listen("udp", ":9")
	fmt.Println("ready")
	select {}
}

// serve has f handle each connection to a port.
func serve(at string, f func(net.Conn)) {
	l, _ := listen("tcp", at).(net.Listener)
	go func() {
		for {
			if c, err := l.Accept(); err == nil {
				go f(c)
			}
		}
	}()
}

func listen(network, at string) any {
	var x any
	var err error
	if network == "udp" {
		x, err = net.ListenPacket(network, at)
	} else {
		x, err = net.Listen(network, at)
	}
	if err != nil {
		log.Fatal(err)
	}
	return x
}
