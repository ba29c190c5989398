//go:build !purego

package kernel

func processorSets() []*Set { return []*Set{&avx512, &avx2} }

// expConstants are the constants of Exp, for the assembly, which reads
// expSeries too.
//
//lint:ignore U1000 staticcheck does not read assembly
var expConstants = [...]float32{expCutoff, log2e, roundShift, ln2High, ln2Low}
