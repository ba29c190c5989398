package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestConstraints asks the built-in model for texts that fit.
func TestConstraints(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	schema := file("schema.json", `{"type":"object","properties":{"answer":{"type":"integer","maximum":99,"minimum":0}},"required":["answer"],"additionalProperties":false}`)
	grammar := file("list.gbnf", "root ::= \"sum: \" [0-9]{2}\n")
	if got, _ := succeed(t, "run", "--prompt", "17+25=", "--regex", "[0-9]+"); got != "42" {
		t.Errorf("regex: %q", got)
	}
	if got, _ := succeed(t, "run", "--prompt", "17+25=", "--choice", "12,42,43"); got != "42" {
		t.Errorf("choice: %q", got)
	}
	got, _ := succeed(t, "run", "--prompt", "17+25=", "--json-schema", schema, "--temperature", "1", "--seed", "5")
	var answer struct{ Answer *int }
	if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.Answer == nil || *answer.Answer > 99 {
		t.Errorf("schema: %q, %v", got, err)
	}
	if got, _ := succeed(t, "run", "--prompt", "17+25=", "--grammar", grammar); !strings.HasPrefix(got, "sum: ") || len(got) != len("sum: 42") {
		t.Errorf("grammar: %q", got)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--regex", "a", "--choice", "b"}, 2, "--regex and --choice exclude each other"},
		{[]string{"--regex", "(?=a)"}, 1, "--regex: looking ahead or back by (?=: not supported"},
		{[]string{"--json-schema="}, 2, "--json-schema is given, but empty"},
		{[]string{"--json-schema", filepath.Join(dir, "none")}, 1, "there is no such file"},
		{[]string{"--json-schema", grammar}, 1, "--json-schema: the schema is not JSON"},
		{[]string{"--grammar", schema}, 1, "--grammar: line 1, column 1: a rule must begin with its name"},
	} {
		status, _, stderr := bitnetWith(t, nil, "", slices.Concat([]string{"run", "--prompt", "1+1="}, c.args)...)
		if status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, %s", c.args, status, stderr)
		}
	}
}
