package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// readJSONVocabulary runs over an object of texts and ids: {"a": 0, "b": 1}.
// The texts are views of data where they have no escapes. data must be valid
// JSON.
func readJSONVocabulary(data []byte, yield func(text []byte, id uint64) error) error {
	const key = "model.vocab"
	c := jsonCursor{data: data}
	if !c.take('{') {
		return malformed(key, none, "is missing or no object")
	}
	for i := 0; !c.take('}'); i++ {
		text, err := c.text()
		if err != nil {
			return malformed(key, none, "has an entry, number %d, whose %v", i, err)
		}
		c.take(':')
		id, err := c.number()
		if err != nil {
			return malformed(key, none, "has %.40q with an id that %v", text, err)
		}
		c.take(',')
		if err := yield(text, id); err != nil {
			return err
		}
	}
	return nil
}

// readJSONMerges runs over an array of pairs, each "left right" or
// ["left", "right"], until yield returns false. data must be valid JSON.
func readJSONMerges(data []byte, yield func(left, right []byte) bool) error {
	const key = "model.merges"
	c := jsonCursor{data: data}
	if !c.take('[') {
		return malformed(key, none, "is missing or no array")
	}
	for i := 0; !c.take(']'); i++ {
		left, right, err := c.pair()
		if err != nil {
			return malformed(key, i, "%v", err)
		}
		c.take(',')
		if !yield(left, right) {
			break
		}
	}
	return nil
}

// jsonCursor walks over JSON that is known to be valid, so that only the kind
// of what comes next needs looking at.
type jsonCursor struct {
	data []byte
	at   int
}

// take skips white space and then, if it comes next, the byte given. It
// reports whether it did.
func (c *jsonCursor) take(b byte) bool {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case b:
			c.at++
			return true
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return false
		}
	}
	return false
}

// text reads a string.
func (c *jsonCursor) text() ([]byte, error) {
	if !c.take('"') {
		return nil, errors.New("text is no string")
	}
	start, escaped := c.at, false
	for {
		length := bytes.IndexAny(c.data[c.at:], `"\`)
		if length < 0 {
			return nil, errors.New("text has no end")
		}
		c.at += length
		if c.data[c.at] == '"' {
			break
		}
		escaped = true
		c.at = min(c.at+2, len(c.data)) // the backslash and what it escapes
	}
	end := c.at
	c.at++
	if !escaped {
		return c.data[start:end:end], nil
	}
	var text string
	if err := json.Unmarshal(c.data[start-1:end+1], &text); err != nil {
		return nil, fmt.Errorf("text is not valid: %w", err)
	}
	return []byte(text), nil
}

// number reads an integer that is not negative.
func (c *jsonCursor) number() (n uint64, err error) {
	const limit = 1 << 32
	c.take(' ')
	start := c.at
	for ; c.at < len(c.data) && '0' <= c.data[c.at] && c.data[c.at] <= '9'; c.at++ {
		if n = 10*n + uint64(c.data[c.at]-'0'); n >= limit {
			return 0, errors.New("is too large")
		}
	}
	if c.at == start {
		return 0, errors.New("is no non-negative integer")
	}
	if c.at < len(c.data) && bytes.IndexByte([]byte(".eE"), c.data[c.at]) >= 0 {
		return 0, errors.New("is no integer")
	}
	return n, nil
}

// pair reads a merge in either form.
func (c *jsonCursor) pair() (left, right []byte, err error) {
	if c.take('[') {
		if left, err = c.text(); err != nil {
			return nil, nil, err
		}
		if !c.take(',') {
			return nil, nil, errors.New("has one token, not two")
		}
		if right, err = c.text(); err != nil {
			return nil, nil, err
		}
		if !c.take(']') {
			return nil, nil, errors.New("has more than two tokens")
		}
		return left, right, nil
	}
	written, err := c.text()
	if err != nil {
		return nil, nil, err
	}
	left, right, ok := bytes.Cut(written, []byte(" "))
	if !ok {
		return nil, nil, fmt.Errorf("is %.40q, not two tokens with a space between them", written)
	}
	return left, right, nil
}
