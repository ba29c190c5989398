package openai

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A queue decides who is computed, and lets the others wait: by the number of
// answers at the same time, and by the memory of their KV caches. What it has
// admitted has the memory that it may come to need, so nothing fails half way.
//
// It is fair between API keys: next is who has the fewest answers under way, and of
// these who was served the longest ago. What one key sends is served in order. The
// next one waits until there is room for it, also where there is room for a smaller
// one behind it, which might otherwise pass it for ever.
type queue struct {
	parallel int
	most     int   // requests that wait, of all keys
	mostOf   int   // of one key
	memory   int64 // for KV caches

	mu       sync.Mutex
	answers  int   // under way
	requests int   // under way
	reserved int64 // memory of these
	waiting  int
	keys     []lane
	turn     uint64

	lasted time.Duration // how long requests were under way, lately
}

// lane is the part of the queue of one API key.
type lane struct {
	tickets []*ticket
	answers int // under way
	served  uint64
}

// A ticket is a request that waits, or is under way.
type ticket struct {
	key     int
	answers int // at the same time
	memory  int64
	granted chan struct{} // closed when it is under way
	since   time.Time
}

func newQueue(parallel, most, keys int) *queue {
	q := &queue{parallel: parallel, most: most, mostOf: most, keys: make([]lane, max(keys, 1))}
	if keys > 1 {
		q.mostOf = most - most/4 // nobody alone keeps the others out
	}
	return q
}

// room returns the memory that is left for sessions that are only kept.
func (q *queue) room() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.memory - q.reserved
}

// state returns how many requests are under way and wait, and the reserved memory.
func (q *queue) state() (running, waiting int, reserved int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.requests, q.waiting, q.reserved
}

// enter waits until a request may be computed and returns what says that it has
// been. Where too many wait it fails at once, and when ctx ends with its cause.
func (q *queue) enter(ctx context.Context, key, answers int, memory int64) (leave func(), err error) {
	t := &ticket{key: key, answers: answers, memory: memory, granted: make(chan struct{})}
	q.mu.Lock()
	lane := &q.keys[key]
	if q.waiting > 0 || !q.fits(t) {
		if q.waiting >= q.most || len(lane.tickets) >= q.mostOf {
			f := q.full()
			q.mu.Unlock()
			return nil, f
		}
	}
	lane.tickets = append(lane.tickets, t)
	q.waiting++
	q.grant()
	q.mu.Unlock()
	select {
	case <-t.granted:
		return func() { q.leave(t) }, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(lane.tickets, t); i >= 0 {
		lane.tickets = slices.Delete(lane.tickets, i, i+1)
		q.waiting--
		q.grant() // it may have stood in the way of others
	} else {
		q.release(t)
	}
	return nil, context.Cause(ctx)
}

func (q *queue) fits(t *ticket) bool {
	return q.answers+t.answers <= q.parallel && q.reserved+t.memory <= q.memory
}

// grant admits as many as there is room for.
func (q *queue) grant() {
	for {
		next := -1
		for i := range q.keys {
			a := &q.keys[i]
			if len(a.tickets) == 0 {
				continue
			}
			if next < 0 || a.answers < q.keys[next].answers || a.answers == q.keys[next].answers && a.served < q.keys[next].served {
				next = i
			}
		}
		if next < 0 {
			return
		}
		lane := &q.keys[next]
		t := lane.tickets[0]
		if !q.fits(t) {
			return
		}
		lane.tickets = slices.Delete(lane.tickets, 0, 1)
		q.waiting--
		q.turn++
		lane.served = q.turn
		lane.answers += t.answers
		q.answers += t.answers
		q.requests++
		q.reserved += t.memory
		t.since = time.Now()
		close(t.granted)
	}
}

func (q *queue) leave(t *ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lasted += (time.Since(t.since) - q.lasted) / 8
	q.release(t)
}

func (q *queue) release(t *ticket) {
	q.keys[t.key].answers -= t.answers
	q.answers -= t.answers
	q.requests--
	q.reserved -= t.memory
	q.grant()
}

// full is the answer to a request that may not even wait. The lock is held.
func (q *queue) full() *failure {
	return &failure{
		status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "queue_full",
		message: "too many requests wait already: try again later", retryAfter: q.wait(),
	}
}

// late is the answer to a request whose turn did not come in time.
func (q *queue) late() *failure {
	q.mu.Lock()
	defer q.mu.Unlock()
	return &failure{
		status: http.StatusServiceUnavailable, kind: unavailable, code: "queue_timeout",
		message: "the turn of the request did not come in the time that it may take: try again later", retryAfter: q.wait(),
	}
}

// wait reckons when there may be room.
func (q *queue) wait() time.Duration {
	wait := q.lasted * time.Duration(q.waiting+1) / time.Duration(q.parallel)
	return min(max(wait, time.Second), time.Minute)
}
