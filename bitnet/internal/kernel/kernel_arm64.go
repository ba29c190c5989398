//go:build !purego

package kernel

func processorSets() []*Set { return []*Set{&dotprod, &neon} }
