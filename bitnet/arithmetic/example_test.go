package arithmetic_test

import (
	"context"
	"fmt"
	"log"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
)

func ExampleOpen() {
	m, err := arithmetic.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, prompt := range []string{"2+2=", "7*8=", "two plus two is"} {
		s, err := m.NewSession()
		if err != nil {
			log.Fatal(err)
		}
		r, err := s.Generate(context.Background(), prompt, bitnet.GenerateOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(prompt + r.Text)
		s.Close()
	}
	// Output:
	// 2+2=4
	// 7*8=56
	// two plus two is four
}

func ExampleOpen_chat() {
	m, err := arithmetic.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	chat, err := bitnet.NewChat(ctx, s, "")
	if err != nil {
		log.Fatal(err)
	}
	r, err := chat.Send(ctx, "What is 2+2?", bitnet.GenerateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Text)
	// Output: 4
}
