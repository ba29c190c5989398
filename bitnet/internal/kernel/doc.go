// Package kernel holds the float32 arithmetic of the engine: what stands
// between the exact integer products of package quant.
//
// Every function is defined to the bit by its plain Go form in generic.go, and
// each processor-specific form gives the same bits. A reduction has one fixed
// shape: [Lanes] partial results, lane l taking the elements l, l+16, l+32, …
// in order by fused multiply-add, then a tree that adds lane l+8 to l, l+4 to
// l, l+2 to l and l+1 to l. A matrix product is a fused multiply-add chain for
// each of its elements, in the order of the inner index, starting from +0.
// "Fused" means rounded once, as by IEEE 754's fusedMultiplyAdd; everything
// else rounds after each operation.
//
// The functions of a [Set] do not check their arguments; callers keep to the
// lengths that are stated. They neither keep nor allocate anything.
package kernel
