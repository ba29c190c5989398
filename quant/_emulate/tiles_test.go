//go:build linux && amd64

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// flat is a memory that begins at address 0.
type flat []byte

func (m flat) read(address uint64, p []byte) error  { return m.move(address, p, false) }
func (m flat) write(address uint64, p []byte) error { return m.move(address, p, true) }

func (m flat) move(address uint64, p []byte, write bool) error {
	if address > uint64(len(m)) || uint64(len(m))-address < uint64(len(p)) {
		return fault("#PF")
	}
	if write {
		copy(m[address:], p)
	} else {
		copy(p, m[address:])
	}
	return nil
}

func randomBytes(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

type shape struct{ rows, colsb int }

func configuration(shapes ...shape) (config [configBytes]byte) {
	config[0] = 1
	for n, s := range shapes {
		config[16+2*n] = byte(s.colsb)
		config[48+n] = byte(s.rows)
	}
	return config
}

func configured(t *testing.T, shapes ...shape) *tiles {
	t.Helper()
	state, config := new(tiles), configuration(shapes...)
	if err := state.configure(&config); err != nil {
		t.Fatal(err)
	}
	return state
}

// TestMultiplyTiles compares with plain matrices: C of m × n integers gains the
// product of A, m × 4k bytes, and B, 4k × n bytes, of which row i and column j
// is byte i%4 of element j in row i/4 of the tile.
func TestMultiplyTiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 400 {
		m, n, k := 1+r.IntN(16), 1+r.IntN(16), 1+r.IntN(16)
		if round < 40 {
			m, n, k = 16, 16, 16
		}
		for _, op := range []struct {
			operation        operation
			signedA, signedB bool
		}{{tdpbssd, true, true}, {tdpbsud, true, false}, {tdpbusd, false, true}, {tdpbuud, false, false}} {
			c, a, b := round%8, (round+3)%8, (round+5)%8
			shapes := make([]shape, 8)
			shapes[c], shapes[a], shapes[b] = shape{m, 4 * n}, shape{m, 4 * k}, shape{k, 4 * n}
			state := configured(t, shapes...)
			for tile := range state.data {
				for row := range state.data[tile] {
					randomBytes(r, state.data[tile][row][:])
				}
			}
			state.startRow = 3
			value := func(x byte, signed bool) int64 {
				if signed && x >= 128 {
					return int64(x) - 256
				}
				return int64(x)
			}
			var want [tileRows][tileRowBytes]byte
			for i := range m {
				for j := range n {
					sum := int64(0)
					for p := range 4 {
						sum += int64(state.data[c][i][4*j+p]) << (8 * p)
					}
					for p := range 4 * k {
						sum += value(state.data[a][i][p], op.signedA) * value(state.data[b][p/4][4*j+p%4], op.signedB)
					}
					for p := range 4 {
						want[i][4*j+p] = byte(sum >> (8 * p))
					}
				}
			}
			before := *state
			if err := state.execute(&instruction{op: op.operation, reg: c, rm: a, v: b}, nil, nil); err != nil {
				t.Fatal(err)
			}
			if state.data[c] != want {
				t.Fatalf("%v of %d × %d × %d: wrong sums", op.operation, m, n, k)
			}
			if state.startRow != 0 {
				t.Fatalf("%v left the start row", op.operation)
			}
			before.data[c], before.startRow = want, 0
			if *state != before {
				t.Fatalf("%v changed another tile or the configuration", op.operation)
			}
		}
	}
}

func TestLoadAndStore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		rows, colsb := 1+r.IntN(16), 4*(1+r.IntN(16))
		start := 0
		if round%3 == 0 {
			start = r.IntN(rows)
		}
		stride := int64(r.IntN(300) - 150)
		base, scale := int64(20000), uint(r.IntN(4))
		if round%7 == 0 {
			stride = 0
		}
		general := &registers{rsi: uint64(base), rcx: uint64(stride)}
		in := instruction{op: [...]operation{tileloadd, tileloaddt1}[round%2], reg: 5, memory: true, base: rsi, index: rcx, scale: scale, displacement: 64}

		state := configured(t, shape{}, shape{}, shape{16, 64}, shape{}, shape{}, shape{rows, colsb})
		for row := range state.data[5] {
			randomBytes(r, state.data[5][row][:])
		}
		state.startRow = start
		want := state.data[5]
		memory := make(flat, 50000)
		randomBytes(r, memory)
		for row := range tileRows {
			for i := range tileRowBytes {
				switch {
				case row >= rows, row >= start && i >= colsb:
					want[row][i] = 0
				case row >= start:
					want[row][i] = memory[base+64+int64(row)*(stride<<scale)+int64(i)]
				}
			}
		}
		if err := state.execute(&in, general, memory); err != nil {
			t.Fatal(err)
		}
		if state.data[5] != want || state.startRow != 0 {
			t.Fatalf("load of %d × %d from row %d at a stride of %d: wrong", rows, colsb, start, stride<<scale)
		}

		randomBytes(r, memory)
		wantMemory := append(flat(nil), memory...)
		for row := start; row < rows; row++ {
			copy(wantMemory[base+64+int64(row)*(stride<<scale):], want[row][:colsb])
		}
		in.op = tilestored
		state.startRow = start
		if err := state.execute(&in, general, memory); err != nil {
			t.Fatal(err)
		}
		if string(memory) != string(wantMemory) || state.startRow != 0 {
			t.Fatalf("store of %d × %d from row %d at a stride of %d: wrong", rows, colsb, start, stride<<scale)
		}
	}
}

func TestConfiguration(t *testing.T) {
	memory := make(flat, 256)
	want := configuration(shape{16, 64}, shape{1, 4}, shape{}, shape{7, 12})
	want[1] = 6
	copy(memory[64:], want[:])
	general := &registers{rax: 32, rdx: 8}
	state := new(tiles)
	state.data[3][3][3] = 1
	at := func(op operation, displacement int64) *instruction {
		return &instruction{op: op, memory: true, base: rax, index: rdx, scale: 1, displacement: displacement}
	}
	if err := state.execute(at(ldtilecfg, 16), general, memory); err != nil {
		t.Fatal(err)
	}
	if state.data != (tiles{}).data {
		t.Error("LDTILECFG left data")
	}
	if err := state.execute(at(sttilecfg, 80), general, memory); err != nil {
		t.Fatal(err)
	}
	if string(memory[128:192]) != string(want[:]) {
		t.Errorf("stored % x, want % x", memory[128:192], want)
	}
	state.data[3] = [tileRows][tileRowBytes]byte{{1, 2}, 15: {63: 3}}
	if err := state.execute(&instruction{op: tilezero, reg: 3}, general, memory); err != nil {
		t.Fatal(err)
	}
	if state.data != (tiles{}).data || state.startRow != 0 {
		t.Error("TILEZERO left data or the start row")
	}
	for name, release := range map[string]func() error{
		"TILERELEASE": func() error { return state.execute(&instruction{op: tilerelease}, general, memory) },
		"palette 0": func() error {
			clear(memory[64:128])
			memory[70] = 1 // says nothing in palette 0
			return state.execute(at(ldtilecfg, 16), general, memory)
		},
	} {
		state = configured(t, shape{16, 64})
		state.data[0][1][1] = 1
		if err := release(); err != nil {
			t.Fatal(err)
		}
		if *state != (tiles{}) {
			t.Errorf("%s left something", name)
		}
		if err := state.execute(at(sttilecfg, 80), general, memory); err != nil {
			t.Fatal(err)
		}
		if string(memory[128:192]) != string(make([]byte, 64)) {
			t.Errorf("%s: stored % x", name, memory[128:192])
		}
	}
}

func wantFault(t *testing.T, name, prefix string, err error) {
	t.Helper()
	if _, ok := err.(fault); !ok || !strings.HasPrefix(err.Error(), prefix) {
		t.Errorf("%s: error %v, want %s", name, err, prefix)
	}
}

func TestConfigurationFaults(t *testing.T) {
	good := configuration(shape{16, 64}, shape{1, 4})
	for at, values := range map[int][]byte{
		0:  {2, 255},
		2:  {1},
		15: {1},
		16: {65, 0}, // tile 0: too many bytes; none at all
		17: {1},
		20: {4}, // tile 2: bytes without rows
		32: {1},
		47: {1},
		48: {17, 0}, // tile 0: too many rows; none at all
		50: {1},     // tile 2: a row without bytes
		56: {1},
		63: {1},
	} {
		for _, value := range values {
			config := good
			config[at] = value
			state := configured(t, shape{3, 8})
			before := *state
			wantFault(t, fmt.Sprintf("byte %d = %d", at, value), "#GP", state.configure(&config))
			if *state != before {
				t.Errorf("byte %d = %d: the state changed", at, value)
			}
		}
	}
}

func TestTileFaults(t *testing.T) {
	load := instruction{op: tileloadd, memory: true, base: rax, index: rcx}
	multiply := func(c, a, b int) instruction { return instruction{op: tdpbsud, reg: c, rm: a, v: b} }
	general := &registers{rcx: 64}
	memory := make(flat, 1024)
	full := shape{16, 64}
	with := func(in instruction, op operation, reg int) instruction {
		in.op, in.reg = op, reg
		return in
	}
	for name, test := range map[string]struct {
		shapes []shape // nil: nothing is configured
		start  int
		in     instruction
		want   string
	}{
		"zero, unconfigured":         {nil, 0, instruction{op: tilezero}, "#UD"},
		"load, unconfigured":         {nil, 0, load, "#UD"},
		"store, unconfigured":        {nil, 0, with(load, tilestored, 0), "#UD"},
		"multiply, unconfigured":     {nil, 0, multiply(0, 1, 2), "#UD"},
		"zero, no such tile":         {[]shape{full}, 0, instruction{op: tilezero, reg: 1}, "#UD"},
		"load, no such tile":         {[]shape{full}, 0, with(load, tileloadd, 1), "#UD"},
		"store, no such tile":        {[]shape{full}, 0, with(load, tilestored, 1), "#UD"},
		"load of 6 bytes":            {[]shape{{16, 6}}, 0, load, "#UD"},
		"load from row 16":           {[]shape{full}, 16, load, "#UD"},
		"store from row 3 of 3":      {[]shape{{3, 64}}, 3, with(load, tilestored, 0), "#UD"},
		"load past the end":          {[]shape{full}, 0, instruction{op: tileloadd, memory: true, base: rax, index: rcx, displacement: 4}, "#PF"},
		"store past the end":         {[]shape{full}, 0, instruction{op: tilestored, memory: true, base: rax, index: rcx, scale: 1}, "#PF"},
		"no such sums":               {[]shape{{}, full, full}, 0, multiply(0, 1, 2), "#UD"},
		"no such first factor":       {[]shape{full, {}, full}, 0, multiply(0, 1, 2), "#UD"},
		"no such second factor":      {[]shape{full, full}, 0, multiply(0, 1, 2), "#UD"},
		"sums are the first factor":  {[]shape{full, full}, 0, multiply(0, 0, 1), "#UD"},
		"sums are the second factor": {[]shape{full, full}, 0, multiply(0, 1, 0), "#UD"},
		"factors are the same":       {[]shape{full, full}, 0, multiply(0, 1, 1), "#UD"},
		"other rows":                 {[]shape{{15, 64}, full, full}, 0, multiply(0, 1, 2), "#UD"},
		"other columns":              {[]shape{{16, 60}, full, full}, 0, multiply(0, 1, 2), "#UD"},
		"other depth":                {[]shape{full, {16, 60}, full}, 0, multiply(0, 1, 2), "#UD"},
		"depth of 6 bytes":           {[]shape{full, {16, 6}, {1, 64}}, 0, multiply(0, 1, 2), "#UD"},
		"sums of 6 bytes":            {[]shape{{16, 6}, full, {16, 6}}, 0, multiply(0, 1, 2), "#UD"},
	} {
		state := new(tiles)
		if test.shapes != nil {
			state = configured(t, test.shapes...)
		}
		state.startRow = test.start
		before := *state
		wantFault(t, name, test.want, state.execute(&test.in, general, memory))
		if *state != before {
			t.Errorf("%s: the state changed", name)
		}
	}
}
