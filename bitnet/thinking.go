package bitnet

import (
	"bytes"
	"strings"
)

// splitThinking tells the thinking from the answer in a whole text, as templates
// that know of thinking do.
func splitThinking(text string) (reasoning, answer string) {
	before, _, thought := strings.Cut(text, thinkClose)
	if !thought {
		return "", text
	}
	before = strings.TrimRight(before, "\n")
	if i := strings.LastIndex(before, thinkOpen); i >= 0 {
		before = before[i+len(thinkOpen):]
	}
	answer = text[strings.LastIndex(text, thinkClose)+len(thinkClose):]
	return strings.TrimLeft(before, "\n"), strings.TrimLeft(answer, "\n")
}

// A thinkingSplitter does the same piece by piece for what a model generates:
// it thinks if its text begins with <think>, and until </think>. Line breaks
// around both are left out.
type thinkingSplitter struct {
	state   thinkingState
	pending string // what nothing is known of yet
}

type thinkingState int

const (
	beforeThinking thinkingState = iota // the model may be about to think
	beginThinking                       // it has thought nothing but line breaks
	thinking
	beginAnswer // it has answered nothing but line breaks
	answering
)

// add takes a piece of the text and returns what is certain of both.
func (s *thinkingSplitter) add(text string) (reasoning, answer string) {
	s.pending += text
	if s.state == beforeThinking {
		begun := strings.TrimLeft(s.pending, "\n")
		switch {
		case strings.HasPrefix(begun, thinkOpen):
			s.state, s.pending = beginThinking, begun[len(thinkOpen):]
		case strings.HasPrefix(thinkOpen, begun):
			return "", ""
		default:
			s.state = answering
		}
	}
	if s.state == beginThinking {
		if s.pending = strings.TrimLeft(s.pending, "\n"); s.pending != "" {
			s.state = thinking
		}
	}
	if s.state == thinking {
		var done bool
		if reasoning, s.pending, done = strings.Cut(s.pending, thinkClose); done {
			reasoning, s.state = strings.TrimRight(reasoning, "\n"), beginAnswer
		} else {
			reasoning, s.pending = holdEnd(reasoning)
		}
	}
	if s.state == beginAnswer {
		if s.pending = strings.TrimLeft(s.pending, "\n"); s.pending != "" {
			s.state = answering
		}
	}
	if s.state == answering {
		answer, s.pending = s.pending, ""
	}
	return reasoning, answer
}

// holdEnd cuts off what may turn out to be the end of the thinking: line breaks,
// and a part of </think> behind them.
func holdEnd(text string) (certain, held string) {
	n := len(text)
	for part := min(len(thinkClose)-1, len(text)); part > 0; part-- {
		if strings.HasSuffix(text, thinkClose[:part]) {
			n -= part
			break
		}
	}
	n = len(strings.TrimRight(text[:n], "\n"))
	return text[:n], text[n:]
}

// end returns what was held back where nothing comes any more.
func (s *thinkingSplitter) end() (reasoning, answer string) {
	rest := s.pending
	s.pending = ""
	if s.state == beforeThinking {
		return "", rest
	}
	return strings.TrimRight(rest, "\n"), "" // only thinking holds back something
}

// answerBegins returns how many of a text's tokens, of which it gets the bytes,
// were used up for thinking. Where the answer begins within a token ok is false.
func answerBegins(pieces [][]byte) (n int, ok bool) {
	text := string(bytes.Join(pieces, nil))
	if !strings.HasPrefix(strings.TrimLeft(text, "\n"), thinkOpen) {
		return 0, true
	}
	_, answer, answered := strings.Cut(text, thinkClose)
	if !answered {
		return len(pieces), true
	}
	begin := len(text) - len(strings.TrimLeft(answer, "\n"))
	at := 0
	for n < len(pieces) && at < begin {
		at += len(pieces[n])
		n++
	}
	return n, at == begin
}
