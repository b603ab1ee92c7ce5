package vfs

import "hull/sentry/lock"

// ReleaseWatcher is told once that a file has been released by its last
// holder: an epoll set forgets the file then. It is called without vfs locks.
type ReleaseWatcher interface {
	FileReleased(f *File)
}

// releaseWatch is the list of a file's watchers. The zero value is empty. A file
// is seldom in more than one set, so a slice it is.
type releaseWatch struct {
	mu   lock.Mutex[lock.Leaf]
	list []ReleaseWatcher // guarded by mu
	gone bool             // guarded by mu: the last reference was dropped
}

// AddReleaseWatch adds w, who is told when f is released. It reports false if f
// has been released already. Adding the same watcher twice tells it twice.
func (f *File) AddReleaseWatch(w ReleaseWatcher) bool {
	f.watch.mu.Lock()
	defer f.watch.mu.Unlock()
	if f.watch.gone {
		return false
	}
	f.watch.list = append(f.watch.list, w)
	return true
}

// DropReleaseWatch takes back one AddReleaseWatch.
func (f *File) DropReleaseWatch(w ReleaseWatcher) {
	f.watch.mu.Lock()
	defer f.watch.mu.Unlock()
	l := f.watch.list
	for i := range l {
		if l[i] == w {
			l[i] = l[len(l)-1]
			l[len(l)-1] = nil
			f.watch.list = l[:len(l)-1]
			return
		}
	}
}

// tellReleased tells the watchers, and ends O_ASYNC. DecRef calls it with the last reference,
// before the implementation's Release.
func (f *File) tellReleased() {
	f.SetAsync(false, -1)
	f.watch.mu.Lock()
	l := f.watch.list
	f.watch.list, f.watch.gone = nil, true
	f.watch.mu.Unlock()
	for _, w := range l {
		w.FileReleased(f)
	}
}
