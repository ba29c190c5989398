package gguf_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/gobitnet/gobitnet/bitnet/gguf"
)

// Write a small file, then open it and look inside.
func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "small.gguf")

	out, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	w := gguf.NewWriter(out)
	err = errors.Join(
		w.Set("general.architecture", "bitnet-b1.58"),
		w.Set("bitnet-b1.58.block_count", uint32(30)),
		w.Set("tokenizer.ggml.tokens", []string{"Hello", ",", "Ġworld"}),
		w.AddTensor("token_embd.weight", []int{4, 3}, gguf.I8, func(w io.Writer) error {
			_, err := w.Write([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
			return err
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil { // this writes everything
		log.Fatal(err)
	}
	if err := out.Close(); err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, key := range f.Keys() {
		value, _ := f.Value(key)
		fmt.Println(key, "=", value)
	}
	blocks, err := f.Uint("bitnet-b1.58.block_count")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(blocks, "blocks")
	embedding, ok := f.Tensor("token_embd.weight")
	if !ok {
		log.Fatal("no token_embd.weight")
	}
	width := embedding.Dims[0]
	fmt.Println(embedding.Type, embedding.Dims, "row 1:", embedding.Data[width:2*width])

	// Output:
	// general.architecture = "bitnet-b1.58"
	// bitnet-b1.58.block_count = 30
	// tokenizer.ggml.tokens = ["Hello", ",", "Ġworld"]
	// 30 blocks
	// I8 [4 3] row 1: [5 6 7 8]
}

// An array is read element by element, where it lies in the file.
func ExampleValue_Strings() {
	var file bytes.Buffer
	w := gguf.NewWriter(&file)
	if err := w.Set("tokenizer.ggml.tokens", []string{"Hello", ",", "Ġworld"}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Parse(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := f.Array("tokenizer.ggml.tokens", gguf.String)
	if err != nil {
		log.Fatal(err)
	}
	for id, text := range tokens.Strings() {
		fmt.Printf("%d of %d: %s\n", id, tokens.Len(), text)
	}

	// A key that is not there is an error of its own kind, for what is optional.
	_, err = f.Text("tokenizer.ggml.pre")
	if errors.Is(err, gguf.ErrMissing) {
		fmt.Println(err)
	}

	// Output:
	// 0 of 3: Hello
	// 1 of 3: ,
	// 2 of 3: Ġworld
	// key "tokenizer.ggml.pre": is not in the file's metadata
}
