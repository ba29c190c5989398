//go:build !purego

package kernel

// processorSets returns what this processor can run, fastest first: all have
// NEON.
func processorSets() []*Set { return []*Set{&neon} }

// companion names the set that needs nothing beyond what the integer kernels
// of that name need.
func companion(quantKernels string) string {
	switch quantKernels {
	case "dotprod", "neon":
		return neon.Name
	}
	return generic.Name
}
