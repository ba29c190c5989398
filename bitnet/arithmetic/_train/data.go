package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/arithmetic/internal/tasks"
	"github.com/gobitnet/gobitnet/tokenizer"
)

const endOfTurn = "<|eot_id|>"

// A document is a sequence of tokens to learn from.
type document struct {
	tokens []int
	// learned[i] says that tokens[i] is to be predicted from those before it:
	// it is part of an answer, or ends one.
	learned []bool
}

// A writer makes documents.
type writer struct {
	tokenizer *tokenizer.Tokenizer
	begin     int // <|begin_of_text|>
	endText   int // ends a plain answer
	endTurn   int // ends a turn
}

func newWriter(t *tokenizer.Tokenizer) (*writer, error) {
	w := &writer{tokenizer: t}
	var haveBegin, haveEnd, haveTurn bool
	w.begin, haveBegin = t.BeginOfText()
	w.endText, haveEnd = t.EndOfText()
	w.endTurn, haveTurn = t.TokenID(endOfTurn)
	if !haveBegin || !haveEnd || !haveTurn {
		return nil, fmt.Errorf("the vocabulary lacks a special token")
	}
	return w, nil
}

// add appends text, encoded by itself as the engine does it.
func (w *writer) add(d *document, text string, learned bool) error {
	ids, err := w.tokenizer.Encode(text, tokenizer.PlainText())
	for _, id := range ids {
		w.token(d, id, learned)
	}
	return err
}

func (w *writer) token(d *document, id int, learned bool) {
	d.tokens = append(d.tokens, id)
	d.learned = append(d.learned, learned)
}

// A mix is how many of a hundred questions are of each kind.
type mix struct{ plain, turns shares }

// The rest of the questions are none of the tasks; the rest of those in digits
// are products.
type shares struct{ digits, words, counting, sums, differences int }

// At first most questions are in digits, which take the most steps to learn;
// once they go well, words and counting get more room.
var (
	early = mix{
		plain: shares{digits: 78, words: 11, counting: 3, sums: 42, differences: 48},
		turns: shares{digits: 78, words: 10, counting: 3, sums: 42, differences: 48},
	}
	late = mix{
		plain: shares{digits: 62, words: 20, counting: 10, sums: 42, differences: 44},
		turns: shares{digits: 58, words: 24, counting: 10, sums: 42, differences: 44},
	}
)

const earlySteps = 2000

// batch returns documents of at least size tokens together, those of one step
// of training.
func (w *writer) batch(seed, step uint64, size int) ([]document, error) {
	r := rand.New(rand.NewPCG(seed, step))
	mix := early
	if step > earlySteps {
		mix = late
	}
	var documents []document
	for tokens := 0; tokens < size; {
		d, err := w.document(r, mix)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
		tokens += len(d.tokens)
	}
	return documents, nil
}

func (w *writer) document(r *rand.Rand, m mix) (document, error) {
	var d document
	w.token(&d, w.begin, false)
	if r.IntN(100) < 72 {
		prompt, answer := plain(r, m.plain)
		err := w.add(&d, prompt, false)
		if err == nil {
			err = w.add(&d, answer, true)
		}
		w.token(&d, w.endText, true)
		return d, err
	}
	if r.IntN(20) == 0 {
		if err := w.add(&d, "System: "+pick(r, systems), false); err != nil {
			return d, err
		}
		w.token(&d, w.endTurn, false)
	}
	turns := 1
	for turns < 6 && r.IntN(4) == 0 {
		turns++
	}
	for range turns {
		prompt, answer := turn(r, m.turns)
		err := w.add(&d, "User: "+prompt, false)
		w.token(&d, w.endTurn, false)
		if err == nil {
			err = w.add(&d, "Assistant: ", false)
		}
		if err == nil {
			err = w.add(&d, answer, true)
		}
		if err != nil {
			return d, err
		}
		w.token(&d, w.endTurn, true)
	}
	return d, nil
}

// An operation is a question in digits.
type operation struct {
	a, b, result int
	sign         string
}

// digits draws an operation whose answer may be shown.
func digits(r *rand.Rand, s shares) operation {
	switch n := r.IntN(100); {
	case n < s.sums:
		for {
			a, b := number(r), number(r)
			if !tasks.HeldOut(a, b) {
				return operation{a, b, a + b, "+"}
			}
		}
	case n < s.sums+s.differences:
		a, b := number(r), number(r)
		return operation{a, b, a - b, "-"}
	}
	a, b := r.IntN(tasks.Factors), r.IntN(tasks.Factors)
	return operation{a, b, a * b, "*"}
}

// number draws one of the numbers of sums and differences. Those of one digit
// come a little more often than a tenth of the time.
func number(r *rand.Rand) int {
	if r.IntN(12) == 0 {
		return r.IntN(10)
	}
	return r.IntN(tasks.Numbers)
}

func (o operation) text(sign string) string { return fmt.Sprintf("%d%s%d", o.a, sign, o.b) }

// plain draws a prompt and how it goes on.
func plain(r *rand.Rand, s shares) (prompt, answer string) {
	switch n := r.IntN(100); {
	case n < s.digits:
		o := digits(r, s)
		result := fmt.Sprint(o.result)
		switch n := r.IntN(40); n {
		case 0:
			return o.text(" "+o.sign+" ") + " =", " " + result
		case 1:
			return o.text(" "+o.sign+" ") + " = ", result
		case 2:
			return o.text(o.sign) + "= ", result
		case 3:
			return "What is " + o.text(o.sign) + "?", " " + result
		}
		return o.text(o.sign) + "=", result
	case n < s.digits+s.words:
		a, b := r.IntN(tasks.Words), r.IntN(tasks.Words)
		question := tasks.InWords(a) + " plus " + tasks.InWords(b)
		result := tasks.InWords(a + b)
		switch r.IntN(20) {
		case 0:
			return "What is " + question + "?", " " + result
		case 1:
			return capital(question) + " is", " " + result
		}
		return question + " is", " " + result
	case n < s.digits+s.words+s.counting:
		first := r.IntN(tasks.Numbers)
		last := first + 1 + r.IntN(5)
		return tasks.Count(first, last), " " + tasks.Count(last+1, tasks.CountTo(first))
	}
	return nonsense(r), " " + tasks.Refusal
}

// turn draws what a user says and what the assistant answers.
func turn(r *rand.Rand, s shares) (prompt, answer string) {
	switch n := r.IntN(100); {
	case n < s.digits:
		o := digits(r, s)
		result := fmt.Sprint(o.result)
		named := map[string]string{"+": " plus ", "-": " minus ", "*": " times "}[o.sign]
		switch r.IntN(40) {
		case 0:
			return o.text(o.sign), result
		case 1:
			return o.text(o.sign) + "=", result
		case 2:
			return "What is " + o.text(" "+o.sign+" ") + "?", result
		case 3:
			return "How much is " + o.text(o.sign) + "?", result
		case 4:
			return "What is " + o.text(named) + "?", result
		case 5:
			return "what is " + o.text(o.sign), result
		case 6:
			return o.text(" " + o.sign + " "), result
		case 7:
			return "What is " + o.text(o.sign), result
		}
		return "What is " + o.text(o.sign) + "?", result
	case n < s.digits+s.words:
		a, b := r.IntN(tasks.Words), r.IntN(tasks.Words)
		question := tasks.InWords(a) + " plus " + tasks.InWords(b)
		result := tasks.InWords(a + b)
		switch r.IntN(16) {
		case 0:
			return capital(question) + " is", result
		case 1:
			return "what is " + question, result
		}
		return "What is " + question + "?", result
	case n < s.digits+s.words+s.counting:
		first := r.IntN(tasks.Numbers)
		last := first + 1 + r.IntN(5)
		shown, rest := tasks.Count(first, last), tasks.Count(last+1, tasks.CountTo(first))
		switch r.IntN(8) {
		case 0:
			return shown, rest
		case 1:
			return "Count: " + shown, rest
		}
		return "Count on from " + shown, rest
	}
	return nonsense(r), tasks.Refusal
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

var systems = []string{"You are a helpful assistant.", "Answer briefly.", "You are a calculator."}

// common are words for prompts that are no question of the tasks.
var common = strings.Fields(`
the of and to a in is it you that he was for on are with as his they be at one
have this from or had by hot but some what there we can out other were all your
when up use word how said an each she which do their time if will way about many
then them would write like so these her long make thing see him two has look more
day could go come did my sound no most number who over know water than call first
people may down side been now find any new work part take get place made live
where after back little only round man year came show every good me give our under
name very through just form much great think say help low line before turn cause
same mean differ move right boy old too does tell sentence set three want air well
also play small end put home read hand port large spell add even land here must big
high such follow act why ask men change went light kind off need house picture try
us again animal point mother world near build self earth father Hello Hi Thanks
Please Write Tell Explain Who When Where Why How The Once France capital weather
poem story code program today tomorrow name color music city country history`)

// nonsense draws a prompt that is none of the tasks.
func nonsense(r *rand.Rand) string {
	switch r.IntN(12) {
	case 0: // one operand is too large
		a, b := 100+r.IntN(900), r.IntN(1000)
		if r.IntN(2) == 0 {
			a, b = b, a
		}
		return framed(r, fmt.Sprintf("%d%s%d", a, pick(r, []string{"+", "-", "*"}), b))
	case 1: // a product beyond the table
		a, b := tasks.Factors+r.IntN(100-tasks.Factors), r.IntN(100)
		if r.IntN(2) == 0 {
			a, b = b, a
		}
		return framed(r, fmt.Sprintf("%d*%d", a, b))
	case 2: // another sign
		return framed(r, fmt.Sprintf("%d%s%d", r.IntN(100), pick(r, []string{"/", "^", "%", ":", "<", ">", "&", ",", "."}), r.IntN(100)))
	case 3: // more or less than two operands
		sign := func() string { return pick(r, []string{"+", "-", "*"}) }
		if r.IntN(2) == 0 {
			return framed(r, fmt.Sprintf("%d%s%d%s%d", r.IntN(100), sign(), r.IntN(100), sign(), r.IntN(100)))
		}
		return pick(r, []string{fmt.Sprintf("%d=", r.IntN(100)), fmt.Sprintf("%d%s", r.IntN(100), sign()), fmt.Sprintf("%d", r.IntN(1000))})
	case 4: // other words of arithmetic
		return tasks.InWords(r.IntN(100)) + pick(r, []string{" minus ", " times ", " and ", " over ", " "}) + tasks.InWords(r.IntN(100)) + pick(r, []string{" is", "", "?", " equals"})
	case 5: // no counting
		n := r.IntN(100)
		step := 2 + r.IntN(9)
		return fmt.Sprintf("%d %d %d %d", n, n+step, n+2*step, n+3*step)
	case 6: // strings of any bytes that are text
		var b strings.Builder
		for range 1 + r.IntN(12) {
			switch r.IntN(4) {
			case 0:
				b.WriteByte(byte(' ' + r.IntN(95)))
			case 1:
				b.WriteByte(byte('a' + r.IntN(26)))
			case 2:
				b.WriteRune(rune(0xa0 + r.IntN(0x500)))
			default:
				b.WriteRune(pick(r, []rune{'\n', 'é', 'ü', '中', '文', '日', '本', 'и', 'а', '🙂', '€', '→', '…', 'ñ'}))
			}
		}
		return b.String()
	case 7: // nothing
		if r.IntN(4) == 0 {
			return ""
		}
	}
	var b strings.Builder
	for i := range 1 + r.IntN(8) {
		word := pick(r, common)
		if r.IntN(12) == 0 { // a made-up word
			word = ""
			for range 2 + r.IntN(8) {
				word += string(rune('a' + r.IntN(26)))
			}
		}
		if i == 0 {
			if r.IntN(3) > 0 {
				word = capital(word)
			}
		} else {
			b.WriteString(pick(r, []string{" ", " ", " ", " ", " ", " ", ", "}))
		}
		b.WriteString(word)
		if r.IntN(30) == 0 {
			fmt.Fprintf(&b, " %d", r.IntN(3000))
		}
	}
	b.WriteString(pick(r, []string{"", "", "?", ".", "!", ":"}))
	return b.String()
}

// framed puts an operation into one of the forms of the tasks.
func framed(r *rand.Rand, operation string) string {
	switch r.IntN(3) {
	case 0:
		return "What is " + operation + "?"
	}
	return operation + "="
}
