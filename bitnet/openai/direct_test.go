package openai

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
)

// TestAnswersAgain takes answers that were given over HTTP without a seed and has
// them computed again from their id and time alone, by another model on plain Go.
func TestAnswersAgain(t *testing.T) {
	s := serving(t, Options{Parallel: 3})
	generic, err := arithmetic.Open(bitnet.WithKernels("generic"), bitnet.WithThreads(1), bitnet.WithoutScreen())
	if err != nil {
		t.Fatal(err)
	}
	defer generic.Close()
	other := servingModels(t, map[string]*bitnet.Model{"arithmetic": generic}, Options{})
	seen := map[string]bool{}
	for _, test := range []struct{ path, body string }{
		{"/v1/chat/completions", chat("What is 2+2?", digits(), `"temperature":2,"max_tokens":7`)},
		{"/v1/chat/completions", chat("What is 2+2?", digits(), `"temperature":2,"max_tokens":7`)},
		{"/v1/chat/completions", chat("What is 2+2?", digits(), `"temperature":2,"max_tokens":5,"n":3,"logprobs":true,"top_logprobs":2`)},
		{"/v1/completions", `{"prompt":["a","b"],"max_tokens":5,"n":2,"echo":true,` + digits() + "}"},
		{"/v1/chat/completions", chat("What is 2+2?", digits(), `"temperature":2,"max_tokens":7,"stream":true`)},
		{"/v1/responses", `{"input":"Hi","max_output_tokens":9,` + digits() + "}"},
	} {
		_, header, answer := s.send("POST", test.path, test.body, digestHeader, "sha256")
		var first struct {
			ID      string
			Created int64
			At      int64 `json:"created_at"`
		}
		whole, _, _ := strings.Cut(strings.TrimPrefix(answer, "data: "), "\n\n")
		if err := json.Unmarshal([]byte(whole), &first); err != nil {
			t.Fatal(err)
		}
		again := other.Do(context.Background(), Request{Path: test.path, Body: []byte(test.body), ID: first.ID, Created: time.Unix(first.Created+first.At, 0), Digest: true})
		if got, want := string(again.Body), cached.ReplaceAllString(answer, ""); again.Status != http.StatusOK || got != want && test.path != "/v1/responses" {
			t.Errorf("%s: again\n%s\nfirst\n%s", test.body, got, want)
		}
		digest := header.Get(digestHeader)
		if again.Digest != digest || !strings.HasPrefix(digest, "sha256:") {
			t.Errorf("%s: digest %q, then %q", test.body, digest, again.Digest)
		}
		if test.path == "/v1/chat/completions" && seen[digest] {
			t.Errorf("two answers without a seed are the same")
		}
		seen[digest] = true
		// With another id the seed is another one.
		if third := other.Do(context.Background(), Request{Path: test.path, Body: []byte(test.body), Digest: true}); third.Digest == digest {
			t.Errorf("%s: an answer with another id has the same digest", test.body)
		}
	}
}

// TestDigest computes a digest by hand.
func TestDigest(t *testing.T) {
	s := serving(t, Options{})
	for _, body := range []string{`{"prompt":"12+7=","temperature":0}`, `{"prompt":"12+7=","temperature":0,"max_tokens":1,"logit_bias":{"7":20},"presence_penalty":1}`} {
		_, header, answer := s.send("POST", "/v1/completions", body, digestHeader, "sha256")
		ids, err := s.models["arithmetic"].encodePrompt("12+7=")
		if err != nil {
			t.Fatal(err)
		}
		session, err := builtIn.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		logits, err := session.Append(context.Background(), ids)
		sum := sha256.New()
		chosen, err2 := builtIn.Tokenizer().Encode(decode(t, answer).Choices[0].Text)
		if decode(t, answer).Choices[0].FinishReason == "stop" {
			end, _ := builtIn.Tokenizer().EndOfText()
			chosen = append(chosen, end)
		}
		for _, id := range chosen {
			binary.Write(sum, binary.LittleEndian, uint32(id))
			binary.Write(sum, binary.LittleEndian, logits)
			if err == nil && err2 == nil {
				logits, err = session.Append(context.Background(), []int{id})
			}
		}
		if want := fmt.Sprintf("sha256:%x", sum.Sum(nil)); err != nil || err2 != nil || len(chosen) == 0 || header.Get(digestHeader) != want {
			t.Errorf("%s: %q, by hand %q (%v, %v)", answer, header.Get(digestHeader), want, err, err2)
		}
	}
	if _, header, _ := s.send("POST", "/v1/completions", `{"prompt":"1"}`); header.Get(digestHeader) != "" {
		t.Error("a digest that nobody asked for")
	}
}

// TestFingerprint holds what the fingerprint says.
func TestFingerprint(t *testing.T) {
	s := serving(t, Options{})
	m := s.models["arithmetic"]
	sum := sha256.New()
	if _, err := arithmetic.File().WriteTo(sum); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x", sum.Sum(nil))
	if want := "fp_" + digest[:16] + fmt.Sprintf("_a%d_", bitnet.ArithmeticVersion); m.digest != digest || !strings.HasPrefix(m.fingerprint, want) || len(m.fingerprint) != len(want)+8 {
		t.Errorf("%s of %s, want %s…", m.fingerprint, m.digest, want)
	}
	for path, body := range map[string]string{"/v1/chat/completions": chat("a"), "/v1/completions": `{"prompt":"1"}`, "/v1/responses": `{"input":"1"}`} {
		if got := decode(t, s.post(path, body)).Fingerprint; got != m.fingerprint {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestDo holds what is different without HTTP: no key, and failures as they are.
func TestDo(t *testing.T) {
	s := serving(t, Options{APIKeys: []string{"a"}})
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/v1/completions", `{"prompt":"2+2=","temperature":0}`, http.StatusOK},
		{"/v1/completions", `{"prompt":7}`, http.StatusBadRequest},
		{"/v1/none", `{}`, http.StatusNotFound},
		{"/v1/models", ``, http.StatusMethodNotAllowed},
	} {
		r := s.Do(context.Background(), Request{Path: test.path, Body: []byte(test.body)})
		if r.Status != test.status || !json.Valid(r.Body) || strings.Contains(string(r.Body), "cached_tokens") {
			t.Errorf("%s: %d %s", test.path, r.Status, r.Body)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := s.Do(ctx, Request{Path: "/v1/completions", Body: []byte(`{"prompt":"2+2="}`)}); r.Status != statusDisconnected || !strings.Contains(string(r.Body), `"error"`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
