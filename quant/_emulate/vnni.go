//go:build linux && amd64

package main

import "encoding/binary"

// Where the standard form of XSAVE, which ptrace shows, keeps vector
// registers. Only the place of the upper halves of ZMM is left to the
// processor; see upperZMM.
const (
	xstateXMM    = 160
	xstateHeader = 512
	xstateYMM    = 576

	componentSSE = 1
	componentAVX = 2
	componentZMM = 6
)

// upperZMM is where the upper halves of ZMM0 to ZMM15 are, 0 where there are
// none.
var upperZMM = func() int {
	size, offset, _, _ := nativeCPUID(leafXSAVE, componentZMM)
	if size == 0 {
		return 0
	}
	return int(offset)
}()

// executeVPDPBUSD changes the vector registers in xstate as VPDPBUSD does: to
// each 32-bit integer of the first operand it adds four products of unsigned
// bytes of the second with signed bytes of the third, without saturation.
func executeVPDPBUSD(in *instruction, r *registers, m memory, xstate []byte) error {
	halves := 1
	if in.wide {
		halves = 2
	}
	place := func(register, half int) []byte {
		at := [2]int{xstateXMM, xstateYMM}[half] + 16*register
		return xstate[at : at+16]
	}
	var third [32]byte
	if in.memory {
		address, scaled := in.address(r)
		if err := m.read(address+scaled, third[:16*halves]); err != nil {
			return err
		}
	} else {
		for half := range halves {
			copy(third[16*half:], place(in.rm, half))
		}
	}
	for half := range halves {
		destination, second := place(in.reg, half), place(in.v, half)
		for lane := 0; lane < 16; lane += 4 {
			sum := int32(binary.LittleEndian.Uint32(destination[lane:]))
			for j := lane; j < lane+4; j++ {
				sum += int32(second[j]) * int32(int8(third[16*half+j]))
			}
			binary.LittleEndian.PutUint32(destination[lane:], uint32(sum))
		}
	}
	// VEX zeroes the rest of the register.
	if !in.wide {
		clear(place(in.reg, 1))
	}
	if upperZMM != 0 {
		at := upperZMM + 32*in.reg
		clear(xstate[at : at+32])
	}
	xstate[xstateHeader] |= 1<<componentSSE | 1<<componentAVX
	return nil
}
