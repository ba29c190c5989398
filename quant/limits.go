package quant

import "encoding/binary"

// limits are what the processor can do at most, as a yardstick for the kernels:
// how fast it reads memory, and how fast it multiplies what is already in its
// registers, each by the instructions that the kernels use.
type limits struct {
	// read loads data, a positive multiple of readUnit bytes.
	read func(data []byte)
	// multiply does a number of steps of products multiply-adds each.
	multiply func(steps int)
	products int
}

const readUnit = 512

// ReadMemory reads data, except for up to 511 bytes at its end, with the
// instructions by which the kernels read weights, and does nothing with it:
// timing it measures the memory.
func (k *Kernels) ReadMemory(data []byte) {
	if n := len(data) / readUnit * readUnit; n > 0 {
		k.limits.read(data[:n])
	}
}

// MultiplyRegisters does about n multiply-adds of 8-bit integers with the
// instructions by which the kernels multiply many tokens, on values that stay in
// registers, and returns how many it did: timing it measures the multipliers.
func (k *Kernels) MultiplyRegisters(n int) int {
	steps := max(n/k.limits.products, 1)
	k.limits.multiply(steps)
	return steps * k.limits.products
}

// readGeneric reads four quarters side by side, as the assembly does.
func readGeneric(data []byte) {
	quarter := len(data) / 4
	var sum uint64
	for i := 0; i < quarter; i += 64 {
		sum += sum64(data[i:]) + sum64(data[quarter+i:]) + sum64(data[2*quarter+i:]) + sum64(data[3*quarter+i:])
	}
	use(int32(sum))
}

func sum64(data []byte) uint64 {
	b := (*[64]byte)(data)
	return binary.NativeEndian.Uint64(b[0:]) + binary.NativeEndian.Uint64(b[8:]) +
		binary.NativeEndian.Uint64(b[16:]) + binary.NativeEndian.Uint64(b[24:]) +
		binary.NativeEndian.Uint64(b[32:]) + binary.NativeEndian.Uint64(b[40:]) +
		binary.NativeEndian.Uint64(b[48:]) + binary.NativeEndian.Uint64(b[56:])
}

const productsGeneric = 8

func multiplyGeneric(steps int) {
	a, b, c, d := int32(steps)&3, int32(steps)&7, int32(steps)&15, int32(steps)&31
	for range steps {
		a, b, c, d = a+a*3, b+b*5, c+c*7, d+d*9
		a, b, c, d = a+b*3, b+c*5, c+d*7, d+a*9
	}
	use(a + b + c + d)
}

// use keeps a result from being optimized away.
//
//go:noinline
func use(int32) {}
