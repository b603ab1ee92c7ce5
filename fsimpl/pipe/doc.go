// Package pipe has pipes, pipe(7), and what an open FIFO is.
//
//   - A pipe is a ring of segments of at most a page. A write of PIPE_BUF bytes
//     or less fits one segment, which is what makes it atomic.
//   - Readers are told only when a pipe stops being empty, writers when it stops
//     being full: whoever sleeps sleeps because of that. Once somebody polled,
//     every change is told, as edge-triggered epoll expects.
//   - Nothing here blocks but the open of a FIFO; vfs does the waiting.
//   - splice.go moves bytes between pipes and other files.
package pipe
