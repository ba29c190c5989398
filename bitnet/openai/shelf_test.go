package openai

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// cachedOf returns how many tokens of the prompt had been there, which the answer
// says.
func cachedOf(t testing.TB, answer string) int {
	t.Helper()
	u := decode(t, answer).Usage
	if u.Details == nil {
		t.Fatalf("no details in %s", answer)
	}
	return u.Details.Cached
}

// TestKeptSessions has requests that begin like earlier ones. What was there is not
// computed again, which the passes confirm, and never seen with another key.
func TestKeptSessions(t *testing.T) {
	s := serving(t, Options{APIKeys: []string{"a", "b"}})
	rows := func() int { _, n := builtIn.Passes(); return int(n) }
	system := `{"role":"system","content":"` + strings.Repeat("Be brief. ", 20) + `"},`
	ask := func(key, messages string) (cached, prompt, computed int) {
		t.Helper()
		before := rows()
		body := `{"model":"arithmetic","temperature":0,"messages":[` + system + messages + `]}`
		answer := s.post("/v1/chat/completions", body, "Authorization", "Bearer "+key)
		c := decode(t, answer)
		computed = rows() - before - c.Usage.Completion
		if alone := serving(t, Options{}).post("/v1/chat/completions", body); plain(alone) != plain(answer) {
			t.Errorf("%s, alone %s", plain(answer), plain(alone))
		}
		return cachedOf(t, answer), c.Usage.Prompt, computed
	}
	first := `{"role":"user","content":"What is 2+2?"}`
	cached, prompt, computed := ask("a", first)
	if cached != 0 || computed < prompt-1 {
		t.Errorf("first: %d of %d cached, %d computed", cached, prompt, computed)
	}
	// The same again, and the conversation that goes on: all but a few tokens are there.
	for _, messages := range []string{first, first + `,{"role":"assistant","content":"4"},{"role":"user","content":"What is 3+4?"}`, first} {
		cached, now, computed := ask("a", messages)
		if cached < prompt || computed > now-cached+8 {
			t.Errorf("%s: %d of %d cached, %d computed", messages, cached, now, computed)
		}
	}
	// Only the beginning is the same.
	if cached, prompt, computed := ask("a", `{"role":"user","content":"What is 7*8?"}`); cached < prompt-20 || cached >= prompt-5 || computed > prompt-cached+8 {
		t.Errorf("another question: %d of %d cached, %d computed", cached, prompt, computed)
	}
	if cached, prompt, computed := ask("b", first); cached != 0 || computed < prompt-1 {
		t.Errorf("another key: %d of %d cached, %d computed", cached, prompt, computed)
	}
}

// TestRunningSessionsAreForked has a request begin like one that is under way, and
// n answers share their prompt.
func TestRunningSessionsAreForked(t *testing.T) {
	s := serving(t, Options{})
	m := s.models["arithmetic"]
	ids := make([]int, 300)
	for i := range ids {
		ids[i] = 5 + i%7
	}
	session, kept, err := s.shelf.take(m, 0, ids)
	if err != nil || kept != 0 {
		t.Fatal(kept, err)
	}
	if _, err := session.Follow(context.Background(), ids); err != nil {
		t.Fatal(err)
	}
	takeBack := s.shelf.lend(m, 0, session)
	if n := session.CacheBytes(); n != builtIn.CacheBytes(256)/2+builtIn.CacheBytes(1) {
		t.Errorf("what is lent takes memory: %d bytes", n)
	}
	if sessions, bytes := s.shelf.state(); sessions != 0 || bytes != 0 {
		t.Errorf("%d sessions count, with %d bytes", sessions, bytes)
	}
	other, kept, err := s.shelf.take(m, 0, append(ids[:280:280], 1, 2, 3))
	if err != nil || kept != 256 || other.Len() != 256 {
		t.Errorf("a fork of %d tokens: %v", kept, err)
	}
	other.Close()
	takeBack()
	if other, kept, _ := s.shelf.take(m, 0, ids); kept != 0 {
		t.Errorf("%d tokens of what was taken back", kept)
		other.Close()
	}
	s.shelf.put(m, 0, session)
	if sessions, bytes := s.shelf.state(); sessions != 1 || bytes != builtIn.CacheBytes(300) {
		t.Errorf("%d sessions of %d bytes are kept", sessions, bytes)
	}

	_, before := builtIn.Passes()
	prompt := strings.Repeat("1 2 3 4 5 6 7 8 9 ", 10)
	c := decode(t, s.post("/v1/completions", fmt.Sprintf(`{"prompt":%q,"n":8,"max_tokens":1}`, prompt)))
	if _, now := builtIn.Passes(); len(c.Choices) != 8 || int(now-before) > c.Usage.Prompt+8*8 {
		t.Errorf("%d answers took %d rows for a prompt of %d", len(c.Choices), now-before, c.Usage.Prompt)
	}
	// Each answer is what a request with its seed alone gives.
	body := `{"prompt":"Tell me","temperature":2,"max_tokens":12,"n":%d,"seed":%d,` + digits() + "}"
	all := decode(t, s.post("/v1/completions", fmt.Sprintf(body, 5, 40)))
	different := false
	for i := range 5 {
		alone := decode(t, s.post("/v1/completions", fmt.Sprintf(body, 1, 40+i)))
		if all.Choices[i].Text != alone.Choices[0].Text || all.Choices[i].Index != i {
			t.Errorf("answer %d is %q, alone %q", i, all.Choices[i].Text, alone.Choices[0].Text)
		}
		different = different || all.Choices[i].Text != all.Choices[0].Text
	}
	if !different {
		t.Error("five seeds give the same text")
	}
}

// TestShelfKeepsToItsMemory fills a shelf again and again.
func TestShelfKeepsToItsMemory(t *testing.T) {
	s := serving(t, Options{KVMemory: sessionBytes(builtIn, 512), Parallel: 1})
	for i := range 12 {
		s.post("/v1/completions", fmt.Sprintf(`{"prompt":"%d %s","max_tokens":1}`, i, strings.Repeat("1 2 3 4 5 6 7 8 9 ", 10)))
		if sessions, bytes := s.shelf.state(); sessions == 0 || bytes > s.options.KVMemory {
			t.Fatalf("%d sessions in %d of %d bytes", sessions, bytes, s.options.KVMemory)
		}
	}
	// Nothing is left for them while a request may need all.
	leave, err := s.queue.enter(context.Background(), 0, 1, s.options.KVMemory)
	if err != nil {
		t.Fatal(err)
	}
	s.shelf.trim()
	if sessions, bytes := s.shelf.state(); sessions != 0 || bytes != 0 {
		t.Errorf("%d sessions in %d bytes", sessions, bytes)
	}
	leave()
	// The same request twice is one session.
	for range 3 {
		s.post("/v1/completions", `{"prompt":"2+2=","temperature":0}`)
	}
	if sessions, _ := s.shelf.state(); sessions != 1 {
		t.Errorf("%d sessions", sessions)
	}
}
