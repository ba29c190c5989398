// Package tasks has the questions that the arithmetic model is trained and
// judged on, and their answers, all made by rule.
package tasks

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// A Question is a prompt and what must follow it.
type Question struct {
	Prompt string // in a chat, what the user says
	Answer string // up to the end token
	Chat   bool   // the prompt is a turn of a conversation
}

// A Task is one row of the table of accuracies.
type Task struct {
	Name      string
	Least     float64 // share of right answers that the model must reach
	Questions []Question
}

const (
	// Numbers is how many numbers, from 0 on, sums and differences are made of.
	Numbers = 100
	// Factors is the same of products.
	Factors = 13
	// Words is the same of sums in words.
	Words = 20
	// Refusal is the answer to everything else.
	Refusal = "I only know small sums."
)

// heldOut has the pairs whose sum is kept from training.
var heldOut = sync.OnceValue(func() map[[2]int]bool {
	var pairs [][2]int
	for a := range Numbers {
		for b := a; b < Numbers; b++ {
			pairs = append(pairs, [2]int{a, b})
		}
	}
	r := rand.New(rand.NewPCG(2025, 1))
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	held := map[[2]int]bool{}
	for _, p := range pairs {
		mirror := [2]int{p[1], p[0]}
		orders := 2
		if p == mirror {
			orders = 1
		}
		if len(held)+orders <= Numbers*Numbers/10 {
			held[p], held[mirror] = true, true
		}
	}
	return held
})

// HeldOut reports whether a+b is among the tenth of all sums that training never
// shows in digits. Either both a+b and b+a are, or neither.
func HeldOut(a, b int) bool { return heldOut()[[2]int{a, b}] }

var units = strings.Fields("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
var tens = strings.Fields("- - twenty thirty forty fifty sixty seventy eighty ninety")

// InWords returns a number from 0 to 99 in English.
func InWords(n int) string {
	switch {
	case n < len(units):
		return units[n]
	case n%10 == 0:
		return tens[n/10]
	}
	return tens[n/10] + "-" + units[n%10]
}

// CountTo returns where counting ends that began at first: with the ten after
// the one that first lies in.
func CountTo(first int) int { return (first/10 + 2) * 10 }

// Count returns the numbers from first to last with blanks between.
func Count(first, last int) string {
	var b strings.Builder
	for n := first; n <= last; n++ {
		if n > first {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// All returns the tasks with all their questions. The sums are in two parts,
// those that training may show and those that it never does.
func All() []Task {
	sums := Task{Name: "sums", Least: 0.995}
	held := Task{Name: "sums never seen in training", Least: 0.98}
	differences := Task{Name: "differences", Least: 0.99}
	products := Task{Name: "products", Least: 0.99}
	words := Task{Name: "sums in words", Least: 0.99}
	counting := Task{Name: "counting", Least: 0.99}
	var chat []Task
	turns := func(t *Task) *Task {
		chat = append(chat, Task{Name: t.Name + ", as chat", Least: 0.98})
		return &chat[len(chat)-1]
	}
	add := func(t *Task, prompt, answer string) {
		t.Questions = append(t.Questions, Question{Prompt: prompt, Answer: answer})
	}
	ask := func(t *Task, prompt, answer string) {
		t.Questions = append(t.Questions, Question{Prompt: prompt, Answer: answer, Chat: true})
	}
	const kinds = 6
	chat = make([]Task, 0, kinds) // its elements do not move
	chatSums, chatHeld, chatDifferences := turns(&sums), turns(&held), turns(&differences)
	chatProducts, chatWords, chatCounting := turns(&products), turns(&words), turns(&counting)

	for a := range Numbers {
		for b := range Numbers {
			s, c := &sums, chatSums
			if HeldOut(a, b) {
				s, c = &held, chatHeld
			}
			add(s, fmt.Sprintf("%d+%d=", a, b), fmt.Sprint(a+b))
			ask(c, fmt.Sprintf("What is %d+%d?", a, b), fmt.Sprint(a+b))
			add(&differences, fmt.Sprintf("%d-%d=", a, b), fmt.Sprint(a-b))
			ask(chatDifferences, fmt.Sprintf("What is %d-%d?", a, b), fmt.Sprint(a-b))
		}
	}
	for a := range Factors {
		for b := range Factors {
			add(&products, fmt.Sprintf("%d*%d=", a, b), fmt.Sprint(a*b))
			ask(chatProducts, fmt.Sprintf("What is %d*%d?", a, b), fmt.Sprint(a*b))
		}
	}
	for a := range Words {
		for b := range Words {
			add(&words, InWords(a)+" plus "+InWords(b)+" is", " "+InWords(a+b))
			ask(chatWords, "What is "+InWords(a)+" plus "+InWords(b)+"?", InWords(a+b))
		}
	}
	for first := range Numbers {
		for shown := 2; shown <= 5; shown++ {
			last := first + shown - 1
			rest := Count(last+1, CountTo(first))
			add(&counting, Count(first, last), " "+rest)
			ask(chatCounting, "Count on from "+Count(first, last), rest)
		}
	}
	return append([]Task{sums, held, differences, products, words, counting}, chat...)
}
