//go:build linux && amd64

package main

import (
	"encoding/binary"
	"fmt"
)

type operation int

const (
	ldtilecfg operation = iota
	sttilecfg
	tilerelease
	tilezero
	tileloadd
	tileloaddt1
	tilestored
	tdpbssd
	tdpbsud
	tdpbusd
	tdpbuud
	vpdpbusd
	operations
)

var operationNames = [operations]string{
	"LDTILECFG", "STTILECFG", "TILERELEASE", "TILEZERO", "TILELOADD", "TILELOADDT1", "TILESTORED",
	"TDPBSSD", "TDPBSUD", "TDPBUSD", "TDPBUUD", "VPDPBUSD",
}

func (op operation) String() string { return operationNames[op] }

// An instruction is one decoded instruction.
type instruction struct {
	op     operation
	length int  // in bytes
	wide   bool // VPDPBUSD of 256 bits

	// Register operands: ModRM.reg, ModRM.r/m unless memory is set, VEX.vvvv.
	reg, rm, v int

	// The memory operand: base + index·2^scale + displacement.
	memory       bool
	base, index  int // none where there is no such register
	scale        uint
	displacement int64
}

const (
	none = -1
	// nextInstruction, as a base, is the address of the next instruction.
	nextInstruction = 16
)

// A fault is what makes the processor raise an exception.
type fault string

func (f fault) Error() string { return string(f) }

// vex is what tells instructions apart: the opcode and VEX.pp. The opcode map is
// 0F38 and VEX.W is 0 for all that is emulated.
type vex struct{ opcode, prefix byte }

const (
	prefixNone = iota
	prefix66
	prefixF3
	prefixF2
)

// decode reads the instruction at the beginning of code. It is ok where this
// is one of the emulated instructions; err says why the processor would refuse
// it nevertheless.
func decode(code []byte) (in instruction, ok bool, err error) {
	if len(code) < 5 || code[0] != 0xc4 {
		return in, false, nil
	}
	notR, notX, notB := code[1]&0x80 != 0, code[1]&0x40 != 0, code[1]&0x20 != 0
	if code[1]&0x1f != 2 || code[2]&0x80 != 0 { // opcode map 0F38, W0
		return in, false, nil
	}
	in.v = int(^code[2]>>3) & 15
	in.wide = code[2]&4 != 0
	prefix, opcode, modRM := code[2]&3, code[3], code[4]
	mod, regField, rmField := modRM>>6, int(modRM>>3&7), int(modRM&7)
	inRegister := mod == 3

	var usesV, needsSIB bool
	switch (vex{opcode, prefix}) {
	case vex{0x49, prefixNone}:
		in.op = ldtilecfg
		if inRegister {
			in.op = tilerelease
			if rmField != 0 {
				return in, false, nil
			}
		}
		if regField != 0 {
			return in, false, nil
		}
	case vex{0x49, prefix66}:
		in.op = sttilecfg
		if inRegister || regField != 0 {
			return in, false, nil
		}
	case vex{0x49, prefixF2}:
		in.op = tilezero
		if !inRegister || rmField != 0 {
			return in, false, nil
		}
	case vex{0x4b, prefixF2}, vex{0x4b, prefix66}, vex{0x4b, prefixF3}:
		in.op = [...]operation{prefixF2: tileloadd, prefix66: tileloaddt1, prefixF3: tilestored}[prefix]
		if inRegister {
			return in, false, nil
		}
		needsSIB = true
	case vex{0x5e, prefixF2}, vex{0x5e, prefixF3}, vex{0x5e, prefix66}, vex{0x5e, prefixNone}:
		in.op = [...]operation{prefixF2: tdpbssd, prefixF3: tdpbsud, prefix66: tdpbusd, prefixNone: tdpbuud}[prefix]
		if !inRegister {
			return in, false, nil
		}
		usesV = true
	case vex{0x50, prefix66}:
		in.op = vpdpbusd
		usesV = true
	default:
		return in, false, nil
	}

	in.reg = extend(regField, !notR)
	in.length = 5
	if inRegister {
		in.rm = extend(rmField, !notB)
	} else if err := in.decodeMemory(code, mod, rmField, !notX, !notB, needsSIB); err != nil {
		return in, true, err
	}

	switch {
	case !usesV && in.v != 0:
		return in, true, fault("#UD: VEX.vvvv is not 1111")
	case in.op != vpdpbusd && in.wide:
		return in, true, fault("#UD: VEX.L is set")
	case in.op != vpdpbusd && (in.reg >= tileNames || in.rm >= tileNames || in.v >= tileNames):
		return in, true, fault("#UD: there are only eight tiles")
	}
	return in, true, nil
}

func extend(field int, bit bool) int {
	if bit {
		return field | 8
	}
	return field
}

func (in *instruction) decodeMemory(code []byte, mod byte, rmField int, x, b, needsSIB bool) error {
	in.memory = true
	in.base, in.index = extend(rmField, b), none
	if rmField == 4 {
		if len(code) < 6 {
			return fault("#PF: the instruction is cut short")
		}
		sib := code[5]
		in.length++
		in.base = extend(int(sib&7), b)
		in.scale = uint(sib >> 6)
		if index := extend(int(sib>>3&7), x); index != 4 {
			in.index = index
		}
		if sib&7 == 5 && mod == 0 {
			in.base = none
		}
	} else if needsSIB {
		return fault("#UD: addressing without SIB")
	} else if rmField == 5 && mod == 0 {
		in.base = nextInstruction
	}
	size := 0
	switch {
	case mod == 1:
		size = 1
	case mod == 2, in.base == none, in.base == nextInstruction:
		size = 4
	}
	if len(code) < in.length+size {
		return fault("#PF: the instruction is cut short")
	}
	switch size {
	case 1:
		in.displacement = int64(int8(code[in.length]))
	case 4:
		in.displacement = int64(int32(binary.LittleEndian.Uint32(code[in.length:])))
	}
	in.length += size
	return nil
}

// registers are the general registers in the order of their numbers, and the
// address of the next instruction.
type registers [nextInstruction + 1]uint64

// address returns the address of the memory operand and, apart, what index and
// scale contribute to it: the stride of tiles.
func (in *instruction) address(r *registers) (start, stride uint64) {
	start = uint64(in.displacement)
	if in.base != none {
		start += r[in.base]
	}
	if in.index != none {
		stride = r[in.index] << in.scale
	}
	return start, stride
}

func (in *instruction) String() string {
	switch {
	case in.op == tilerelease:
		return in.op.String()
	case in.op == vpdpbusd:
		name := "xmm"
		if in.wide {
			name = "ymm"
		}
		third := fmt.Sprint(name, in.rm)
		if in.memory {
			third = "memory"
		}
		return fmt.Sprintf("%v %s%d, %s%d, %s", in.op, name, in.reg, name, in.v, third)
	case in.op == ldtilecfg || in.op == sttilecfg:
		return in.op.String() + " memory"
	case in.op == tilezero:
		return fmt.Sprintf("%v tmm%d", in.op, in.reg)
	case in.op == tilestored:
		return fmt.Sprintf("%v memory, tmm%d", in.op, in.reg)
	case in.memory:
		return fmt.Sprintf("%v tmm%d, memory", in.op, in.reg)
	}
	return fmt.Sprintf("%v tmm%d, tmm%d, tmm%d", in.op, in.reg, in.rm, in.v)
}
