//go:build linux && amd64

package main

import (
	"encoding/hex"
	"strings"
	"testing"
)

const (
	rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi = 0, 1, 2, 3, 4, 5, 6, 7
	r9, r10, r11, r12, r13                 = 9, 10, 11, 12, 13
)

// TestDecode has the codes that the GNU assembler (binutils 2.40) gives for
// the instructions named.
func TestDecode(t *testing.T) {
	reg := func(op operation, reg, rm, v int) instruction {
		return instruction{op: op, reg: reg, rm: rm, v: v}
	}
	mem := func(op operation, reg, base, index int, scale uint, displacement int64) instruction {
		return instruction{op: op, reg: reg, memory: true, base: base, index: index, scale: scale, displacement: displacement}
	}
	second := func(in instruction, v int) instruction { in.v = v; return in }
	wide := func(in instruction) instruction { in.wide = true; return in }
	for _, test := range []struct {
		source, code string
		want         instruction
	}{
		{"ldtilecfg [rax]", "c4e2784900", mem(ldtilecfg, 0, rax, none, 0, 0)},
		{"ldtilecfg [r9+rcx*4+0x100]", "c4c278498489 00010000", mem(ldtilecfg, 0, r9, rcx, 2, 0x100)},
		{"sttilecfg [rax]", "c4e2794900", mem(sttilecfg, 0, rax, none, 0, 0)},
		{"sttilecfg [rip+0x10]", "c4e2794905 10000000", mem(sttilecfg, 0, nextInstruction, none, 0, 0x10)},
		{"tilerelease", "c4e27849c0", reg(tilerelease, 0, 0, 0)},
		{"tilezero tmm0", "c4e27b49c0", reg(tilezero, 0, 0, 0)},
		{"tilezero tmm7", "c4e27b49f8", reg(tilezero, 7, 0, 0)},
		{"tileloadd tmm4,[rsi+rcx]", "c4e27b4b240e", mem(tileloadd, 4, rsi, rcx, 0, 0)},
		{"tileloadd tmm5,[rdx+rcx+1024]", "c4e27b4bac0a00040000", mem(tileloadd, 5, rdx, rcx, 0, 1024)},
		{"tileloadd tmm6,[rdi+rcx]", "c4e27b4b340f", mem(tileloadd, 6, rdi, rcx, 0, 0)},
		{"tileloadd tmm7,[rbx+rcx]", "c4e27b4b3c0b", mem(tileloadd, 7, rbx, rcx, 0, 0)},
		{"tileloadd tmm7,[r13+r12*2-8]", "c4827b4b7c65f8", mem(tileloadd, 7, r13, r12, 1, -8)},
		{"tileloadd tmm1,[rcx*2+0x1000]", "c4e27b4b0c4d00100000", mem(tileloadd, 1, none, rcx, 1, 0x1000)},
		{"tileloadd tmm1,[rsp]", "c4e27b4b0c24", mem(tileloadd, 1, rsp, none, 0, 0)},
		{"tileloaddt1 tmm3,[rax+rcx]", "c4e2794b1c08", mem(tileloaddt1, 3, rax, rcx, 0, 0)},
		{"tilestored [rax+rcx],tmm0", "c4e27a4b0408", mem(tilestored, 0, rax, rcx, 0, 0)},
		{"tilestored [r10+r11*8+64],tmm2", "c4827a4b54da40", mem(tilestored, 2, r10, r11, 3, 64)},
		{"tdpbssd tmm0,tmm1,tmm2", "c4e26b5ec1", reg(tdpbssd, 0, 1, 2)},
		{"tdpbsud tmm1,tmm4,tmm7", "c4e2425ecc", reg(tdpbsud, 1, 4, 7)},
		{"tdpbusd tmm3,tmm5,tmm7", "c4e2415edd", reg(tdpbusd, 3, 5, 7)},
		{"tdpbuud tmm7,tmm6,tmm5", "c4e2505efe", reg(tdpbuud, 7, 6, 5)},
		{"{vex} vpdpbusd ymm0,ymm1,ymm2", "c4e27550c2", wide(reg(vpdpbusd, 0, 2, 1))},
		{"{vex} vpdpbusd xmm8,xmm9,xmm10", "c4423150c2", reg(vpdpbusd, 8, 10, 9)},
		{"{vex} vpdpbusd ymm15,ymm3,[rsi+rcx*4+0x20]", "c46265507c8e20", wide(second(mem(vpdpbusd, 15, rsi, rcx, 2, 0x20), 3))},
		{"{vex} vpdpbusd ymm3,ymm4,[rip+0x1000]", "c4e25d501d00100000", wide(second(mem(vpdpbusd, 3, nextInstruction, none, 0, 0x1000), 4))},
		{"{vex} vpdpbusd xmm5,xmm6,[r13]", "c4c249506d00", second(mem(vpdpbusd, 5, r13, none, 0, 0), 6)},
		{"{vex} vpdpbusd xmm5,xmm6,[r12-1]", "c4c249506c24ff", second(mem(vpdpbusd, 5, r12, none, 0, -1), 6)},
	} {
		code := unhex(t, test.code)
		test.want.length = len(code)
		got, ok, err := decode(append(code, 0x90, 0x90))
		if !ok || err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, %v; want %+v", test.source, got, ok, err, test.want)
		}
		for n := range code {
			if _, ok, err := decode(code[:n]); ok && err == nil {
				t.Errorf("%s: decoded from its first %d bytes", test.source, n)
			}
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeRefuses(t *testing.T) {
	for name, code := range map[string]string{
		"ud2":                          "0f0b909090",
		"two-byte VEX":                 "c5f877909090",
		"map 0F":                       "c4e1784900",
		"VEX.W":                        "c4e2f84900",
		"tilerelease with r/m 1":       "c4e27849c1",
		"ldtilecfg with reg 1":         "c4e2784908",
		"sttilecfg of a register":      "c4e27949c0",
		"tilezero with r/m 1":          "c4e27b49c1",
		"tileloadd of a register":      "c4e27b4bc8",
		"tdpbssd of memory":            "c4e26b5e01",
		"vpdpbusds, another operation": "c4e27551c2",
	} {
		if in, ok, _ := decode(append(unhex(t, code), 0, 0, 0, 0)); ok {
			t.Errorf("%s was taken for %v", name, &in)
		}
	}
	for name, code := range map[string]string{
		"tileloadd without SIB":      "c4e27b4b06",
		"tileloadd with vvvv":        "c4e2734b240e",
		"tilerelease with vvvv":      "c4e27049c0",
		"ldtilecfg with L":           "c4e27c4900",
		"tdpbssd with L":             "c4e26f5ec1",
		"tdpbssd with tile 8 in reg": "c4626b5ec1",
		"tdpbssd with tile 9 in r/m": "c4c26b5ec1",
		"tdpbssd with tile 10 in v":  "c4e22b5ec1",
		"tilezero of tile 8":         "c4627b49c0",
	} {
		_, ok, err := decode(append(unhex(t, code), 0, 0, 0, 0))
		if _, isFault := err.(fault); !ok || !isFault {
			t.Errorf("%s: %v, error %v", name, ok, err)
		}
	}
}
