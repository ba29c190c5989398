package main

import (
	"bytes"
	"io"
	"strings"
)

// A keyReader hands on what a terminal sends, in the form that the line editor
// of golang.org/x/term understands: keys that it does not know as keys that it
// does, and a paste, which the terminal puts in brackets, as what is to stand for
// it in the line.
type keyReader struct {
	source io.Reader
	pasted func(text string) (typed string)

	input   []byte // read, and not looked at yet
	pasting bool
	paste   []byte // what has come of a paste
	output  []byte // to be handed on
}

const (
	pasteStart = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// Keys that editor.key does the work of. None of these characters is in a text.
const (
	keyLeft   = '\ufdd1'
	keyRight  = '\ufdd2'
	keyErase  = '\ufdd3' // what is before the cursor
	keyDelete = '\ufdd4' // what is under it; where there is nothing, the end
)

// keyNames has what keys send and what it is handed on as.
var keyNames = []struct{ sent, as string }{
	{"\x02", string(keyLeft)}, {"\x1b[D", string(keyLeft)}, {"\x1bOD", string(keyLeft)},
	{"\x06", string(keyRight)}, {"\x1b[C", string(keyRight)}, {"\x1bOC", string(keyRight)},
	{"\x08", string(keyErase)}, {"\x7f", string(keyErase)},
	{"\x04", string(keyDelete)}, {"\x1b[3~", string(keyDelete)},
	{"\x14", ""},                                 // Ctrl-T would part a character from its filler
	{"\x1b\r", lineBreak}, {"\x1b\n", lineBreak}, // Alt-Enter
	{"\x1b\x7f", "\x17"},                               // Alt-Backspace: a word away
	{"\x1bf", "\x1b[1;3C"}, {"\x1b[1;5C", "\x1b[1;3C"}, // a word on
	{"\x1bb", "\x1b[1;3D"}, {"\x1b[1;5D", "\x1b[1;3D"}, // a word back
	{"\x1bOA", "\x1b[A"}, {"\x1bOB", "\x1b[B"}, // up and down
	{"\x1b[1~", "\x1b[H"}, {"\x1b[7~", "\x1b[H"}, {"\x1bOH", "\x1b[H"}, // Home
	{"\x1b[4~", "\x1b[F"}, {"\x1b[8~", "\x1b[F"}, {"\x1bOF", "\x1b[F"}, // End
}

func (k *keyReader) Read(p []byte) (int, error) {
	for len(k.output) == 0 {
		var buffer [4096]byte
		n, err := k.source.Read(buffer[:])
		if n == 0 {
			return 0, err
		}
		if n == 1 && buffer[0] == '\x1b' && len(k.input) == 0 && !k.pasting {
			continue // the Escape key; a sequence comes in one piece
		}
		k.input = append(k.input, buffer[:n]...)
		for k.step() {
		}
	}
	n := copy(p, k.output)
	k.output = k.output[n:]
	return n, nil
}

// step looks at the beginning of the input. It reports whether there is more to
// do before more is read.
func (k *keyReader) step() bool {
	if k.pasting {
		before, after, ended := bytes.Cut(k.input, []byte(pasteEnd))
		if !ended { // what may be the beginning of the end waits
			n := max(len(k.input)-len(pasteEnd)+1, 0)
			before, after = k.input[:n], k.input[n:]
		}
		k.paste = append(k.paste, before...)
		k.input = after
		if ended {
			text := strings.ReplaceAll(string(k.paste), "\r\n", "\n")
			k.output = append(k.output, k.pasted(strings.ReplaceAll(text, "\r", "\n"))...)
			k.pasting, k.paste = false, nil
		}
		return ended
	}
	text := 0 // up to the first key that could be another one
	for text < len(k.input) && k.input[text] >= ' ' && k.input[text] != '\x7f' {
		text++
	}
	if text > 0 {
		k.output, k.input = append(k.output, k.input[:text]...), k.input[text:]
		return true
	}
	if len(k.input) == 0 {
		return false
	}
	if rest, ok := bytes.CutPrefix(k.input, []byte(pasteStart)); ok {
		k.input, k.pasting = rest, true
		return true
	}
	partly := bytes.HasPrefix([]byte(pasteStart), k.input)
	for _, key := range keyNames {
		if rest, ok := bytes.CutPrefix(k.input, []byte(key.sent)); ok {
			k.input, k.output = rest, append(k.output, key.as...)
			return true
		}
		partly = partly || bytes.HasPrefix([]byte(key.sent), k.input)
	}
	if partly {
		return false
	}
	k.output = append(k.output, k.input[0])
	k.input = k.input[1:]
	return true
}
