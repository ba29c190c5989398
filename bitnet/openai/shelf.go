package openai

import (
	"slices"
	"sync"

	"github.com/gobitnet/gobitnet/bitnet"
)

// A shelf keeps sessions for requests that begin as theirs did. It has the memory
// that requests under way leave free, and gives up what was not used for the
// longest time. Sessions of one API key are not found by another, so that nobody
// learns from the clock, or from usage, what others ask.
type shelf struct {
	room func() int64 // memory that there is for it

	mu     sync.Mutex
	kept   []*keptSession // the one that was used last is the last
	closed bool
}

// keptMost bounds how many sessions are looked through.
const keptMost = 512

// A keptSession is one that nobody works with.
type keptSession struct {
	model   *model
	key     int
	session *bitnet.Session
	tokens  []int
	lent    bool // shares the pages of a session that is being worked with
}

func newShelf(room func() int64) *shelf { return &shelf{room: room} }

// take returns a session for ids that holds as much of their beginning as one on
// the shelf does, and how much that is. A kept session is handed over where ids go
// on from its end, and forked where they leave it earlier.
func (s *shelf) take(m *model, key int, ids []int) (*bitnet.Session, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, common := -1, 1 // begin-of-text alone is not worth it
	for i, k := range s.kept {
		if k.model != m || k.key != key {
			continue
		}
		if n := commonLength(k.tokens, ids); n > common {
			best, common = i, n
		}
	}
	if best < 0 {
		session, err := m.NewSession(bitnet.WithContext(m.context))
		return session, 0, err
	}
	k := s.kept[best]
	s.kept = slices.Delete(s.kept, best, best+1)
	if common == len(k.tokens) && !k.lent {
		return k.session, common, nil
	}
	s.kept = append(s.kept, k)
	session := k.session.Fork()
	session.Truncate(common)
	return session, common, nil
}

func commonLength(a, b []int) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// put keeps a session that is no longer worked with, and without its working
// memory, which a fork does not have.
func (s *shelf) put(m *model, key int, session *bitnet.Session) {
	k := &keptSession{model: m, key: key, session: session.Fork(), tokens: session.Tokens()}
	session.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(k.tokens) < 2 {
		k.session.Close()
		return
	}
	// What another one holds as well need not be kept twice.
	for i := 0; i < len(s.kept); {
		o := s.kept[i]
		if o.model == m && o.key == key && !o.lent {
			switch n := commonLength(o.tokens, k.tokens); {
			case n == len(o.tokens):
				o.session.Close()
				s.kept = slices.Delete(s.kept, i, i+1)
				continue
			case n == len(k.tokens):
				k.session.Close()
				s.kept = append(slices.Delete(s.kept, i, i+1), o)
				return
			}
		}
		i++
	}
	s.kept = append(s.kept, k)
	s.shrink()
}

// lend keeps the whole pages of a session that goes on being worked with, which
// takes no memory, until it is taken back.
func (s *shelf) lend(m *model, key int, session *bitnet.Session) (takeBack func()) {
	n := session.Len() / pageTokens * pageTokens
	if n == 0 {
		return func() {}
	}
	k := &keptSession{model: m, key: key, session: session.Fork(), lent: true}
	k.session.Truncate(n)
	k.tokens = k.session.Tokens()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, k)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.kept, k); i >= 0 {
			s.kept = slices.Delete(s.kept, i, i+1)
		}
		k.session.Close()
	}
}

// pageTokens is how many tokens a page of a KV cache has.
const pageTokens = 128

// trim gives up sessions until the rest fit into the room.
func (s *shelf) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shrink()
}

// shrink gives up the sessions that were not used for the longest time.
func (s *shelf) shrink() {
	room := s.room()
	for bytes := s.bytes(); bytes > room || len(s.kept) > keptMost; bytes = s.bytes() {
		oldest := slices.IndexFunc(s.kept, func(k *keptSession) bool { return !k.lent })
		if oldest < 0 {
			return
		}
		s.kept[oldest].session.Close()
		s.kept = slices.Delete(s.kept, oldest, oldest+1)
	}
}

// bytes returns the memory of the sessions that only the shelf has.
func (s *shelf) bytes() int64 {
	bytes := int64(0)
	for _, k := range s.kept {
		if !k.lent {
			bytes += k.session.CacheBytes()
		}
	}
	return bytes
}

// state returns how many sessions are kept, and their memory.
func (s *shelf) state() (sessions int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kept {
		if !k.lent {
			sessions++
		}
	}
	return sessions, s.bytes()
}

// close gives up all sessions, also those to come.
func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, k := range s.kept {
		k.session.Close()
	}
	s.kept = nil
}
