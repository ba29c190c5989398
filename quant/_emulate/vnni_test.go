//go:build linux && amd64

package main

import (
	"math/rand/v2"
	"testing"
)

// TestVPDPBUSD compares with lanes of integers. The image of the registers is
// one of a processor with AVX-512, or without where this one has none.
func TestVPDPBUSD(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 2000 {
		xstate := make([]byte, 4096)
		randomBytes(r, xstate)
		xstate[xstateHeader] = 0
		memory := make(flat, 32)
		randomBytes(r, memory)
		in := instruction{op: vpdpbusd, reg: r.IntN(16), v: r.IntN(16), rm: r.IntN(16), wide: round%2 == 0, memory: round%3 == 0, base: none, index: none}
		if round < 20 {
			in.rm, in.v = in.reg, in.reg
		}
		lanes := 4
		if in.wide {
			lanes = 8
		}
		register := func(image []byte, n int) (bytes []byte) {
			bytes = append(bytes, image[xstateXMM+16*n:][:16]...)
			return append(bytes, image[xstateYMM+16*n:][:16]...)
		}
		first, second, third := register(xstate, in.reg), register(xstate, in.v), register(xstate, in.rm)
		if in.memory {
			third = memory
		}
		want := make([]byte, 32)
		for lane := range lanes {
			sum := uint64(0)
			for p := range 4 {
				sum += uint64(first[4*lane+p]) << (8 * p)
				sum += uint64(int64(second[4*lane+p]) * int64(int8(third[4*lane+p])))
			}
			for p := range 4 {
				want[4*lane+p] = byte(sum >> (8 * p))
			}
		}
		before := append([]byte(nil), xstate...)
		if err := executeVPDPBUSD(&in, &registers{}, memory, xstate); err != nil {
			t.Fatal(err)
		}
		if string(register(xstate, in.reg)) != string(want) {
			t.Fatalf("%v: % x, want % x", &in, register(xstate, in.reg), want)
		}
		if xstate[xstateHeader] != 6 {
			t.Fatalf("%v: the image holds components %#x", &in, xstate[xstateHeader])
		}
		// Nothing else may have changed, but for the cleared upper half.
		copy(before[xstateXMM+16*in.reg:], want[:16])
		copy(before[xstateYMM+16*in.reg:], want[16:])
		if upperZMM != 0 {
			clear(before[upperZMM+32*in.reg:][:32])
		}
		before[xstateHeader] = 6
		if string(before) != string(xstate) {
			t.Fatalf("%v changed something else", &in)
		}
	}
	short := instruction{op: vpdpbusd, memory: true, base: none, index: none, displacement: 1, wide: true}
	wantFault(t, "reading past the end", "#PF", executeVPDPBUSD(&short, &registers{}, make(flat, 32), make([]byte, 4096)))
}
