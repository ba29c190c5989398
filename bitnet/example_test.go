package bitnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/tokenizer"
)

// modelPath is a very small model with random weights: its text makes no sense,
// but is the same on every machine.
var modelPath = filepath.Join("..", "testdata", "reference", "tiny", "model.gguf")

func ExampleOpen() {
	m, err := bitnet.Open(modelPath)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	c := m.Config()
	fmt.Println(c.Architecture, c.VocabularySize, "tokens,", c.Blocks, "blocks of width", c.EmbeddingLength)
	// Output: bitnet-b1.58 4096 tokens, 4 blocks of width 256
}

// The bytes may as well be a []byte variable that go:embed fills.
func ExampleOpenBytes() {
	data, err := os.ReadFile(modelPath)
	if err != nil {
		log.Fatal(err)
	}
	m, err := bitnet.OpenBytes(data)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(m.Config().ContextLength, "tokens of context")
	// Output: 512 tokens of context
}

func ExampleOpen_errors() {
	_, err := bitnet.Open(modelPath, bitnet.WithKernels("abacus"))
	var option *bitnet.OptionError
	fmt.Println(errors.As(err, &option), option.Option)
	// Output: true kernels
}

func open() (*bitnet.Model, *bitnet.Session) {
	m, err := bitnet.Open(modelPath)
	if err != nil {
		log.Fatal(err)
	}
	s, err := m.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	return m, s
}

func ExampleSession_Generate() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	r, err := s.Generate(context.Background(), "2+2=", bitnet.GenerateOptions{MaxTokens: 4})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Tokens, r.Reason, r.PromptTokens, "+", r.CompletionTokens)
	// Output: [3491 3491 3491 3491] max_tokens 5 + 4
}

func ExampleSession_Stream() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	sampled := bitnet.GenerateOptions{MaxTokens: 3, Temperature: 0.8, TopP: 0.95, Seed: 3}
	for token, err := range s.Stream(context.Background(), "2+2=", sampled) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %q %.3f\n", token.ID, token.Text, token.LogProb())
	}
	// Output:
	// 3340 "ued" -6.622
	// 1639 "ited" -3.273
	// 1639 "ited" -0.557
}

// The answers to several questions about one text: the text is evaluated once.
func ExampleSession_Fork() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	ctx := context.Background()
	text, err := m.Tokenizer().Encode("A long text that all questions are about.")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Append(ctx, text); err != nil {
		log.Fatal(err)
	}
	for _, question := range []string{" Who?", " When?"} {
		fork := s.Fork()
		r, err := fork.Generate(ctx, question, bitnet.GenerateOptions{MaxTokens: 2})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(question, r.Tokens, "after", r.PromptTokens, "new tokens")
		fork.Close()
	}
	// Output:
	//  Who? [2248 3813] after 3 new tokens
	//  When? [2810 3595] after 2 new tokens
}

// Which of two texts does the model find likelier? Both go on from the same
// beginning.
func ExampleSession_Score() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	ctx := context.Background()
	begin, err := m.Tokenizer().Encode("The", tokenizer.AddBeginOfText())
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Append(ctx, begin); err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{" end", " begin"} {
		ids, err := m.Tokenizer().Encode(text)
		if err != nil {
			log.Fatal(err)
		}
		scores, err := s.Score(ctx, ids)
		if err != nil {
			log.Fatal(err)
		}
		sum := 0.0
		for _, score := range scores {
			sum += score
		}
		fmt.Printf("%q: log-probability %.3f\n", text, sum)
		s.Truncate(len(begin))
	}
	// Output:
	// " end": log-probability -9.728
	// " begin": log-probability -14.516
}

// What has been computed of a long text is kept, here in memory, and goes on
// later.
func ExampleModel_RestoreSession() {
	m, s := open()
	defer m.Close()
	ctx := context.Background()
	if _, err := s.Generate(ctx, "Once upon a time", bitnet.GenerateOptions{MaxTokens: 2}); err != nil {
		log.Fatal(err)
	}
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil {
		log.Fatal(err)
	}
	s.Close()
	restored, err := m.RestoreSession(&saved)
	if err != nil {
		log.Fatal(err)
	}
	defer restored.Close()
	fmt.Println(restored.Len(), "tokens")
	r, err := restored.Generate(ctx, "", bitnet.GenerateOptions{MaxTokens: 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Tokens, "after", r.PromptTokens, "new token")
	// Output:
	// 9 tokens
	// [3546 2254 1116] after 1 new token
}

// A server is given whole conversations. The session keeps what it holds of one.
func ExampleSession_Follow() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	ctx := context.Background()
	messages := []bitnet.Message{{Role: bitnet.RoleUser, Content: "Hello!"}}
	for range 2 {
		ids, err := m.EncodeChat(messages)
		if err != nil {
			log.Fatal(err)
		}
		kept, err := s.Follow(ctx, ids)
		if err != nil {
			log.Fatal(err)
		}
		for token, err := range s.StreamTokens(ctx, nil, bitnet.GenerateOptions{MaxTokens: 4}) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%q ", token.Text)
		}
		fmt.Println("after", len(ids), "tokens,", len(ids)-kept, "of them new")
		messages = append(messages,
			bitnet.Message{Role: bitnet.RoleAssistant, Content: s.Result().Text},
			bitnet.Message{Role: bitnet.RoleUser, Content: "And now?"})
	}
	// Output:
	// "yst" " be" ".I" "255" after 14 tokens, 14 of them new
	// "yst" "" " real" "_set" after 31 tokens, 13 of them new
}

func ExampleChat() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	ctx := context.Background()
	chat, err := bitnet.NewChat(ctx, s, "You are a helpful assistant.")
	if err != nil {
		log.Fatal(err)
	}
	for _, said := range []string{"Hello!", "And now?"} {
		r, err := chat.Send(ctx, said, bitnet.GenerateOptions{MaxTokens: 5})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.CompletionTokens, "tokens of an answer,", s.Len(), "tokens of conversation")
	}
	// Output:
	// 5 tokens of an answer, 32 tokens of conversation
	// 5 tokens of an answer, 50 tokens of conversation
}

// A conversation is kept as its messages, and goes on elsewhere or otherwise.
func ExampleResumeChat() {
	m, s := open()
	defer m.Close()
	defer s.Close()
	ctx := context.Background()
	chat, err := bitnet.ResumeChat(ctx, s, []bitnet.Message{
		{Role: bitnet.RoleUser, Content: "Hello!"},
		{Role: bitnet.RoleAssistant, Content: "Hello, what can I do for you?"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, seed := range []uint64{1, 2} { // two answers to the same question
		r, err := chat.Send(ctx, "Tell me a story.", bitnet.GenerateOptions{MaxTokens: 3, Temperature: 1, Seed: seed})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q after %d new tokens\n", r.Text, r.PromptTokens)
		chat.Undo()
	}
	// Output:
	// "_sizeANT later" after 15 new tokens
	// ".I oper'),\n" after 0 new tokens
}
