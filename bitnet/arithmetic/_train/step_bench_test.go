package main

import "testing"

func BenchmarkStep(b *testing.B) {
	t, err := newTraining(released)
	if err != nil {
		b.Fatal(err)
	}
	tokens := 0
	step := 0
	for b.Loop() {
		step++
		if _, err := t.step(step); err != nil {
			b.Fatal(err)
		}
		tokens += len(t.pass.tokens)
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}
