package validate

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/constrain"
)

var modelPath = flag.String("model", "", "measure decoding with the model of this file")

// TestDecoding measures tokens a second under constraints, beside none, in turn.
func TestDecoding(t *testing.T) {
	if *modelPath == "" {
		t.Skip("without -model")
	}
	m, err := bitnet.Open(*modelPath)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	compile := func(schema string) bitnet.Constraint {
		c, err := constrain.JSONSchema([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	kinds := []struct {
		name       string
		constraint bitnet.Constraint
		times      []time.Duration
		forced     float64
	}{
		{name: "no constraint"},
		{name: "a string", constraint: compile(`{"type":"string"}`)},
		{name: "fixed keys", constraint: compile(`{"type":"object","properties":{"first_name":{"type":"string","maxLength":8},"family_name":{"type":"string","maxLength":8},"year_of_birth":{"type":"integer","minimum":1900,"maximum":2030},"employment_status":{"enum":["employed","self-employed","unemployed"]},"number_of_children":{"type":"integer","minimum":0,"maximum":20},"newsletter":{"type":"boolean"}},"required":["first_name","family_name","year_of_birth","employment_status","number_of_children","newsletter"],"additionalProperties":false}`)},
	}
	for range 5 {
		for i := range kinds {
			k := &kinds[i]
			s, err := m.NewSession(bitnet.WithoutLookahead())
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Generate(context.Background(), "Tell me about yourself, please.", bitnet.GenerateOptions{MaxTokens: 40, Constraint: k.constraint})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			k.times = append(k.times, r.CompletionTime/time.Duration(r.CompletionTokens-1))
			k.forced = float64(r.ForcedTokens) / float64(r.CompletionTokens)
		}
	}
	for _, k := range kinds {
		ratios := make([]float64, len(k.times))
		for i, d := range k.times {
			ratios[i] = float64(kinds[0].times[i]) / float64(d)
		}
		slices.Sort(ratios)
		t.Logf("%s: a token in %v at best, median of the ratios to no constraint %.3f, %.0f%% of the tokens without the model", k.name, slices.Min(k.times), ratios[len(ratios)/2], 100*k.forced)
	}
}
