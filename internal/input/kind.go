package input

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// KindBytes is how many bytes of a file's beginning Kind looks at.
const KindBytes = 512

// kinds are the beginnings by which other files are known.
var kinds = []struct {
	start string
	what  string // and, where there is something, what to do
}{
	{"version https://git-lfs.github.com/", "a Git LFS pointer, which stands for the file: fetch the file itself by git lfs pull, or download it"},
	{"PK\x03\x04", "a zip archive or a PyTorch checkpoint: unpack it, or download the model as GGUF"},
	{"\x1f\x8b", "compressed by gzip: unpack it first"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"},
	{"\xfd7zXZ\x00", "compressed by xz: unpack it first"},
	{"BZh", "compressed by bzip2: unpack it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"},
	{"\x80\x02", "a PyTorch checkpoint: download the model as GGUF, or convert it"},
	{"lmgg", "a model in the old GGML format: convert it to GGUF"},
	{"fmgg", "a model in the old GGMF format: convert it to GGUF"},
	{"tjgg", "a model in the old GGJT format: convert it to GGUF"},
	{"algg", "an adapter in the old GGLA format, not a model"},
	{"GGUF", "a GGUF file"},
	{"\x00\x00\x00\x00\x00\x00\x00\x00", "empty so far, nothing but zero bytes at its beginning: its download has not come to an end"},
	{"\xff\xfe", "a text in UTF-16: save it as UTF-8"},
	{"\xfe\xff", "a text in UTF-16: save it as UTF-8"},
}

// pages are the beginnings of what servers send in place of a file, in small
// letters.
var pages = []string{"<!doctype html", "<html", "<head", "<?xml", "<!--", "<error"}

// Kind says what a file is by its first [KindBytes] bytes, for a sentence such as
// "this is …". It is empty where it cannot tell.
func Kind(start []byte) string {
	start = start[:min(len(start), KindBytes)]
	for _, k := range kinds {
		if bytes.HasPrefix(start, []byte(k.start)) {
			return k.what
		}
	}
	// The length of a header in JSON, and the header.
	if len(start) > 8 && start[8] == '{' && binary.LittleEndian.Uint64(start) < 1<<32 {
		return "a model in the safetensors format: download it as GGUF, or convert it"
	}
	text := bytes.TrimLeft(TrimMark(start), " \t\r\n")
	lower := bytes.ToLower(text)
	for _, page := range pages {
		if bytes.HasPrefix(lower, []byte(page)) {
			return "a web page, which a server sends where it has no such file, or only for those who are signed in: look at it in a browser"
		}
	}
	if bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("[")) {
		return "a text in JSON"
	}
	if len(text) >= minText && isText(text) {
		line, _, _ := bytes.Cut(text, []byte("\n"))
		return fmt.Sprintf("a text that begins with %.60q", bytes.TrimSpace(line))
	}
	return ""
}

// minText is as short as what servers answer in words may be.
const minText = 8

// isText reports whether bytes are printable UTF-8. A character may be cut off at
// the end.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(b)
		}
		if !unicode.IsPrint(r) && r != '\t' && r != '\r' && r != '\n' {
			return false
		}
		b = b[size:]
	}
	return true
}
