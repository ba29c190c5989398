//go:build linux && amd64

package main

import (
	"encoding/binary"
	"fmt"
)

// Palette 1, the only one that there is.
const (
	maxPalette   = 1
	tileNames    = 8
	tileRows     = 16
	tileRowBytes = 64
	configBytes  = 64
)

// memory is what instructions read and write.
type memory interface {
	read(address uint64, p []byte) error
	write(address uint64, p []byte) error
}

// tiles is the state that AMX adds to a thread: TILECFG and TILEDATA. The zero
// value is the initial state.
type tiles struct {
	configured bool
	startRow   int
	rows       [tileNames]int
	colsb      [tileNames]int // bytes a row
	data       [tileNames][tileRows][tileRowBytes]byte
}

// execute does what an AMX instruction does. Where it returns an error, the
// state is as it was before; a fault is an exception of the processor.
func (t *tiles) execute(in *instruction, r *registers, m memory) error {
	switch in.op {
	case ldtilecfg:
		address, stride := in.address(r)
		var config [configBytes]byte
		if err := m.read(address+stride, config[:]); err != nil {
			return err
		}
		return t.configure(&config)
	case sttilecfg:
		address, stride := in.address(r)
		config := t.configuration()
		return m.write(address+stride, config[:])
	case tilerelease:
		*t = tiles{}
		return nil
	case tilezero:
		if err := t.check(in.reg); err != nil {
			return err
		}
		t.data[in.reg] = [tileRows][tileRowBytes]byte{}
		t.startRow = 0
		return nil
	case tileloadd, tileloaddt1:
		return t.load(in, r, m)
	case tilestored:
		return t.store(in, r, m)
	case tdpbssd, tdpbsud, tdpbusd, tdpbuud:
		return t.multiply(in)
	}
	return fmt.Errorf("%v is no AMX instruction", in.op)
}

// configure is LDTILECFG with its general-protection faults.
func (t *tiles) configure(config *[configBytes]byte) error {
	palette := config[0]
	if palette == 0 {
		*t = tiles{}
		return nil
	}
	if palette > maxPalette {
		return fault(fmt.Sprintf("#GP: palette %d", palette))
	}
	next := tiles{configured: true, startRow: int(config[1])}
	for i, b := range config {
		reserved := i >= 2 && i < 16 || i >= 16+2*tileNames && i < 48 || i >= 48+tileNames
		if reserved && b != 0 {
			return fault(fmt.Sprintf("#GP: reserved byte %d of the configuration is %#x", i, b))
		}
	}
	for n := range tileNames {
		next.colsb[n] = int(binary.LittleEndian.Uint16(config[16+2*n:]))
		next.rows[n] = int(config[48+n])
		if next.colsb[n] > tileRowBytes || next.rows[n] > tileRows {
			return fault(fmt.Sprintf("#GP: tile %d of %d rows of %d bytes", n, next.rows[n], next.colsb[n]))
		}
		if (next.colsb[n] == 0) != (next.rows[n] == 0) {
			return fault(fmt.Sprintf("#GP: tile %d has %d rows of %d bytes", n, next.rows[n], next.colsb[n]))
		}
	}
	*t = next
	return nil
}

// configuration is what STTILECFG stores.
func (t *tiles) configuration() (config [configBytes]byte) {
	if !t.configured {
		return config
	}
	config[0] = maxPalette
	config[1] = byte(t.startRow)
	for n := range tileNames {
		binary.LittleEndian.PutUint16(config[16+2*n:], uint16(t.colsb[n]))
		config[48+n] = byte(t.rows[n])
	}
	return config
}

// check refuses tiles that are not configured (exception class AMX-E5).
func (t *tiles) check(names ...int) error {
	if !t.configured {
		return fault("#UD: tiles are not configured")
	}
	for _, n := range names {
		if t.rows[n] == 0 {
			return fault(fmt.Sprintf("#UD: tile %d is not configured", n))
		}
	}
	return nil
}

// checkMoved has what class AMX-E3 adds for loads and stores.
func (t *tiles) checkMoved(n int) error {
	if err := t.check(n); err != nil {
		return err
	}
	if t.colsb[n]%4 != 0 {
		return fault(fmt.Sprintf("#UD: tile %d has rows of %d bytes, no multiple of 4", n, t.colsb[n]))
	}
	if t.startRow >= t.rows[n] {
		return fault(fmt.Sprintf("#UD: start row %d of tile %d, which has %d", t.startRow, n, t.rows[n]))
	}
	return nil
}

func (t *tiles) load(in *instruction, r *registers, m memory) error {
	n := in.reg
	if err := t.checkMoved(n); err != nil {
		return err
	}
	address, stride := in.address(r)
	next := t.data[n]
	for row := t.startRow; row < t.rows[n]; row++ {
		next[row] = [tileRowBytes]byte{}
		if err := m.read(address+uint64(row)*stride, next[row][:t.colsb[n]]); err != nil {
			return err
		}
	}
	clear(next[t.rows[n]:])
	t.data[n] = next
	t.startRow = 0
	return nil
}

func (t *tiles) store(in *instruction, r *registers, m memory) error {
	n := in.reg
	if err := t.checkMoved(n); err != nil {
		return err
	}
	address, stride := in.address(r)
	for row := t.startRow; row < t.rows[n]; row++ {
		if err := m.write(address+uint64(row)*stride, t.data[n][row][:t.colsb[n]]); err != nil {
			return err
		}
	}
	t.startRow = 0
	return nil
}

// checkMultiplied is exception class AMX-E4.
func (t *tiles) checkMultiplied(c, a, b int) error {
	if c == a || a == b || b == c {
		return fault("#UD: a tile is used twice")
	}
	if err := t.check(c, a, b); err != nil {
		return err
	}
	for _, n := range []int{c, a, b} {
		if t.colsb[n]%4 != 0 {
			return fault(fmt.Sprintf("#UD: tile %d has rows of %d bytes, no multiple of 4", n, t.colsb[n]))
		}
	}
	if t.colsb[c] != t.colsb[b] || t.rows[c] != t.rows[a] || t.colsb[a]/4 != t.rows[b] {
		return fault(fmt.Sprintf("#UD: %d × %d bytes and %d × %d bytes do not multiply into %d × %d bytes",
			t.rows[a], t.colsb[a], t.rows[b], t.colsb[b], t.rows[c], t.colsb[c]))
	}
	return nil
}

func (t *tiles) multiply(in *instruction) error {
	c, a, b := in.reg, in.rm, in.v
	if err := t.checkMultiplied(c, a, b); err != nil {
		return err
	}
	signedA := in.op == tdpbssd || in.op == tdpbsud
	signedB := in.op == tdpbssd || in.op == tdpbusd
	// Row k/4 of b holds the bytes that row k of a plain matrix would, four
	// rows mixed.
	var factors [tileRows * 4][tileRowBytes / 4]int32
	columns := t.colsb[c] / 4
	for k := range t.colsb[a] {
		for n := range columns {
			factors[k][n] = widen(t.data[b][k/4][4*n+k%4], signedB)
		}
	}
	for row := range t.rows[c] {
		var sums [tileRowBytes / 4]int32
		for n := range columns {
			sums[n] = int32(binary.LittleEndian.Uint32(t.data[c][row][4*n:]))
		}
		for k := range t.colsb[a] {
			x := widen(t.data[a][row][k], signedA)
			for n, factor := range &factors[k] {
				sums[n] += x * factor
			}
		}
		t.data[c][row] = [tileRowBytes]byte{}
		for n := range columns {
			binary.LittleEndian.PutUint32(t.data[c][row][4*n:], uint32(sums[n]))
		}
	}
	clear(t.data[c][t.rows[c]:])
	t.startRow = 0
	return nil
}

func widen(b byte, signed bool) int32 {
	if signed {
		return int32(int8(b))
	}
	return int32(b)
}
