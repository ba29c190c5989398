package hub

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	sum := sumOf(nil)
	local, err := filepath.Abs("x.gguf")
	if err != nil {
		t.Fatal(err)
	}
	known, _ := modelNamed("2b4t")
	for _, test := range []struct {
		text                   string
		name, file, sum, where string // where it asks of an endpoint
	}{
		{"2b4t", "2b4t", "ggml-model-i2_s.gguf", known.SHA256, "https://e/microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/ggml-model-i2_s.gguf"},
		{"2B4T", "2b4t", "ggml-model-i2_s.gguf", known.SHA256, "https://e/microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/ggml-model-i2_s.gguf"},
		{"hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf", "hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf", "ggml-model-i2_s.gguf", known.SHA256, "https://e/microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/ggml-model-i2_s.gguf"},
		{"hf:microsoft/bitnet-b1.58-2B-4T-gguf@v2/ggml-model-i2_s.gguf", "hf:microsoft/bitnet-b1.58-2B-4T-gguf@v2/ggml-model-i2_s.gguf", "ggml-model-i2_s.gguf", "", "https://e/microsoft/bitnet-b1.58-2B-4T-gguf/resolve/v2/ggml-model-i2_s.gguf"},
		{"hf:o/r/a folder/b%20c.gguf#sha256=" + strings.ToUpper(sum), "hf:o/r/a folder/b%20c.gguf", "b%20c.gguf", sum, "https://e/o/r/resolve/main/a%20folder/b%2520c.gguf"},
		{"hf:o/r@refs%2Fpr%2F1/x", "hf:o/r@refs%2Fpr%2F1/x", "x", "", "https://e/o/r/resolve/refs%2Fpr%2F1/x"},
		{"https://h:8/a/b.gguf?x=1&y=#sha256=" + sum, "https://h:8/a/b.gguf?x=1&y=", "b.gguf", sum, "https://h:8/a/b.gguf?x=1&y="},
		{"https://user:secret@h/b.gguf", "https://user:xxxxx@h/b.gguf", "b.gguf", "", "https://user:secret@h/b.gguf"},
		{"file:x.gguf", "file:" + local, "x.gguf", "", ""},
	} {
		r, err := Parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if r.Name != test.name || r.File != test.file || r.SHA256 != test.sum {
			t.Errorf("%s: %+v", test.text, r)
		}
		if !IsReference(test.text) {
			t.Errorf("%s is taken for a path", test.text)
		}
		again, err := Parse(r.String())
		if err != nil || again.Name != r.Name || again.SHA256 != r.SHA256 {
			t.Errorf("%s: %s is read as %+v, %v", test.text, r, again, err)
		}
		if test.where != "" {
			src, err := (&Store{Endpoint: "https://e/"}).source(r, false)
			if err != nil || src.address.String() != test.where {
				t.Errorf("%s: asks %v, %v", test.text, src, err)
			}
		}
	}
	if runtime.GOOS != "windows" {
		if r, err := Parse("file:///a%20b/c.gguf"); err != nil || r.local != "/a b/c.gguf" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for text, says := range map[string]string{
		"":                    "neither the name of a model",
		"2b5t":                "neither the name of a model",
		"./model.gguf":        "neither the name of a model",
		"2b4t#sha256=12":      "64 hexadecimal digits",
		"2b4t#sha256=" + sum:  "another SHA-256 in the table",
		"hf:o/r":              "not of the form",
		"hf:o/r/":             "not of the form",
		"hf:o/../x":           "not of the form",
		"hf:o/r/../x":         "not of the form",
		"hf:o/r/a//x":         "not of the form",
		"hf:o/r@/x":           "not of the form",
		"hf:o/r@../x":         "not of the form",
		"hf:o/r@a%2F..%2Fb/x": "not of the form",
		"hf:o/r/a\\b":         "not of the form",
		"hf:o/r/a\x1b[31m":    "not of the form",
		"https:///x":          "no address",
		"https:x":             "no address",
		"https://h/":          "names no file",
		"https://h":           "names no file",
		"https://h/..":        "names no file",
		"https://h/x#y":       "no address",
		"https://h/\x00":      "no address",
		"file:":               "names no file",
		"file://other/x":      "another machine",
		"file:///%zz":         "no address",
	} {
		_, err := Parse(text)
		var wrong *ReferenceError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	if IsReference("model.gguf") || IsReference("models/2b4t") || IsReference("C:\\x") {
		t.Error("a path is taken for a reference")
	}
}

// FuzzParse: nothing that a user types leads out of the folders of the store, or
// to another host than the one that it names.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"2b4t", "hf:o/r@v/a/b", "https://h/x#sha256=00", "file:x", "hf:o/r/..", "http://[::1]/x"} {
		f.Add(text)
	}
	store := &Store{Folder: filepath.Join(string(filepath.Separator), "store"), Endpoint: "https://endpoint"}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		for _, path := range []string{store.entryPath(r.Name), store.inStore(r).part, filepath.Join(store.Folder, "models", r.File)} {
			if filepath.Dir(filepath.Dir(path)) != store.Folder {
				t.Errorf("%q leads to %s", text, path)
			}
		}
		if again, err := Parse(r.String()); err != nil || again.Name != r.Name || again.key() != r.key() {
			t.Errorf("%q: %q is read as %+v, %v", text, r.String(), again, err)
		}
		if r.repository != "" {
			src, err := store.source(r, false)
			if err != nil || src.address.Host != "endpoint" || src.address.RawQuery != "" || strings.Contains(src.address.Path, "..") && !strings.Contains(r.Name, "..") {
				t.Errorf("%q asks %v, %v", text, src, err)
			}
		}
	})
}

// TestModels: the table names each file once, and in a form that Parse reads.
func TestModels(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range Models() {
		r, err := Parse(m.Name)
		if err != nil || r.Name != m.Name || r.File != m.File || r.SHA256 != m.SHA256 || r.Bytes != m.Bytes {
			t.Errorf("%s: %+v, %v", m.Name, r, err)
		}
		full, err := Parse("hf:" + m.Repository + "@" + m.Revision + "/" + m.File)
		if err != nil || full.SHA256 != m.SHA256 {
			t.Errorf("%s: %+v, %v", m.Name, full, err)
		}
		if seen[m.Name] || seen[full.Name] || m.Licence == "" || m.SHA256 != "" && !wholeSum.MatchString(m.SHA256) || strings.ToLower(m.Name) != m.Name {
			t.Errorf("%+v", m)
		}
		seen[m.Name], seen[full.Name] = true, true
	}
}
