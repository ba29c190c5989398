package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	dir := t.TempDir()
	blocks, back := filepath.Join(dir, "blocks.gguf"), filepath.Join(dir, "back.gguf")
	_, said := succeed(t, "convert", tiny, "-o", blocks, "--type", "TQ2_0")
	if !strings.HasPrefix(said, blocks+": bitnet-b1.58, weights in TQ2_0, embedding in F16, ") || !strings.Contains(said, "are rounded to float16") {
		t.Errorf("said %q", said)
	}
	succeed(t, "convert", "--type", "i2_s", blocks, "-o", back)
	original, err := os.ReadFile(tiny)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(back); err != nil || !bytes.Equal(data, original) {
		t.Errorf("the way there and back changes the file (%v)", err)
	}
	_, said = succeed(t, "convert", tiny, "-o", filepath.Join(dir, "q6.gguf"), "--embedding", "q6_k")
	if !strings.Contains(said, "weights in I2_S, embedding in Q6_K") || strings.Contains(said, "rounded") {
		t.Errorf("said %q", said)
	}

	folder := t.TempDir()
	config := filepath.Join(folder, "config.json")
	if err := os.WriteFile(config, []byte(`{"architectures":["GemmaForCausalLM"]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.gguf")
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-o", out}, 2, "name one folder or GGUF file"},
		{[]string{tiny, back, "-o", out}, 2, "name one folder or GGUF file"},
		{[]string{tiny, "--type", "i2_s"}, 2, "name one by -o"},
		{[]string{tiny, "-o", out, "--type", "q4_k"}, 2, "i2_s, pq2_0"},
		{[]string{tiny, "-o", out, "--embedding", "i2_s"}, 2, "f16, q6_k, q8_0"},
		{[]string{tiny, "-o", out}, 1, "nothing is asked for"},
		{[]string{filepath.Join(dir, "missing"), "-o", out}, 1, "no such file"},
		{[]string{folder, "-o", out}, 1, folder + ` cannot be converted: config.json: architectures is "GemmaForCausalLM"`},
		{[]string{config, "-o", out, "--type", "i2_s"}, 1, "JSON"},
		{[]string{tiny, "-o", filepath.Join(dir, "missing", "x"), "--type", "tq2_0"}, 1, "cannot write"},
	} {
		status, _, said := bitnetWith(t, nil, "", append([]string{"convert"}, c.args...)...)
		if status != c.status || !strings.Contains(said, c.want) || strings.Count(said, "\n") != 1 {
			t.Errorf("%q: status %d, said %q, want %d and %q", c.args, status, said, c.status, c.want)
		}
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("something was written (%v)", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%v are left (%v)", files, err)
	}
}
