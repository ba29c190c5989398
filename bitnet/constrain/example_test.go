package constrain_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/arithmetic"
	"github.com/gobitnet/gobitnet/bitnet/constrain"
)

func ExampleRegexp() {
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
	number, err := constrain.Regexp(`-?[0-9]{1,4}`)
	if err != nil {
		log.Fatal(err)
	}
	r, err := s.Generate(context.Background(), "17+25=", bitnet.GenerateOptions{Constraint: number})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Text)
	// Output: 42
}

func ExampleJSONSchema_error() {
	_, err := constrain.JSONSchema([]byte(`{"properties": {"tags": {"type": "array", "uniqueItems": true}}}`))
	var wrong *constrain.Error
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Place, wrong.Keyword, errors.Is(err, errors.ErrUnsupported))
	}
	// Output: /properties/tags uniqueItems true
}
