//go:build linux && amd64

// Command probe executes the instructions that emulate knows, and compares what
// they do with plain arithmetic: under emulate it tests emulate, and on a
// processor that has the instructions it tests the tests.
//
//	probe              everything; prints what CPUID tells and "ok"
//	probe exec ...     runs itself with the other arguments
//	probe status n     ends with status n
//	probe unasked      uses tiles without permission
//	probe unconfigured uses tiles without configuration
//	probe palette      asks for a palette that does not exist
//	probe pagefault    loads a tile from where nothing is
//	probe ud2          executes UD2, which no processor has
//	probe kill         kills itself
package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// Each of these configures tiles, loads c, a and b, a row every 64 bytes,
// multiplies, stores c and releases the tiles.
func multiplySSD(config *[64]byte, c, a, b *[1024]byte)
func multiplySUD(config *[64]byte, c, a, b *[1024]byte)
func multiplyUSD(config *[64]byte, c, a, b *[1024]byte)
func multiplyUUD(config *[64]byte, c, a, b *[1024]byte)

// zeroed loads a tile with TILELOADDT1, zeroes it and stores it, and stores the
// configuration before and after TILERELEASE.
func zeroed(config *[64]byte, tile *[1024]byte, stored, released *[64]byte)

func zeroUnconfigured()
func configure(config *[64]byte)
func loadFrom(config *[64]byte, address uintptr)
func ud2()

// These do sums += unsigned·signed with two operands in registers or one in
// memory, and store the whole register, 64 bytes, which was full of ones above
// the sums. They need AVX-512F.
func dot256(sums *[64]byte, unsigned, signed *[32]byte)
func dot256Memory(sums *[64]byte, unsigned, signed *[32]byte)
func dot128(sums *[64]byte, unsigned, signed *[32]byte)
func dot128Memory(sums *[64]byte, unsigned, signed *[32]byte)

func main() {
	if len(os.Args) == 1 {
		if err := probe(); err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			os.Exit(1)
		}
		return
	}
	config := configuration(16, 64, 16, 64, 16, 64)
	switch os.Args[1] {
	case "exec":
		command := exec.Command(os.Args[0], os.Args[2:]...)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		if err := command.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			os.Exit(1)
		}
	case "status":
		status, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		os.Exit(status)
	case "unasked":
		configure(&config)
	case "unconfigured":
		requestTiles()
		zeroUnconfigured()
	case "palette":
		requestTiles()
		config[0] = 2
		configure(&config)
	case "pagefault":
		requestTiles()
		loadFrom(&config, 4096)
	case "ud2":
		ud2()
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	default:
		fmt.Fprintln(os.Stderr, "probe: no such test:", os.Args[1])
		os.Exit(1)
	}
}

func requestTiles() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, 0x1023, 18, 0); errno != 0 {
		return fmt.Errorf("permission to use tiles: %w", errno)
	}
	return nil
}

func probe() error {
	highest, _, _, _ := cpuid(0, 0)
	subleaves, ebx, _, edx := cpuid(7, 0)
	eax, _, _, _ := cpuid(7, 1)
	hasAMX := edx>>24&3 == 3
	hasAVXVNNI := subleaves >= 1 && eax>>4&1 == 1
	hasAVX512 := ebx>>16&1 == 1
	fmt.Println("AMX", hasAMX, "AVX-VNNI", hasAVXVNNI)
	if hasAMX {
		if highest < 0x1e {
			return fmt.Errorf("AMX, but CPUID ends with leaf %#x", highest)
		}
		a, b, c, _ := cpuid(0x1d, 1)
		if a != 8192|1024<<16 || b != 64|8<<16 || c != 16 {
			return fmt.Errorf("palette 1 is %#x, %#x, %#x", a, b, c)
		}
		if err := requestTiles(); err != nil {
			return err
		}
		if err := probeTiles(); err != nil {
			return err
		}
		if err := probeThreads(); err != nil {
			return err
		}
	}
	if hasAVXVNNI && hasAVX512 {
		if err := probeDots(); err != nil {
			return err
		}
	}
	fmt.Println("ok")
	return nil
}

func fill(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// configuration is one of tiles 0 to 2: sums and two factors.
func configuration(cRows, cBytes, aRows, aBytes, bRows, bBytes int) (config [64]byte) {
	config[0] = 1
	config[16], config[18], config[20] = byte(cBytes), byte(aBytes), byte(bBytes)
	config[48], config[49], config[50] = byte(cRows), byte(aRows), byte(bRows)
	return config
}

var multiplications = []struct {
	name             string
	signedA, signedB bool
	multiply         func(config *[64]byte, c, a, b *[1024]byte)
}{
	{"TDPBSSD", true, true, multiplySSD},
	{"TDPBSUD", true, false, multiplySUD},
	{"TDPBUSD", false, true, multiplyUSD},
	{"TDPBUUD", false, false, multiplyUUD},
}

func probeMultiplication(r *rand.Rand, m, n, k, which int) error {
	op := &multiplications[which]
	var c, a, b [1024]byte
	fill(r, c[:])
	fill(r, a[:])
	fill(r, b[:])
	want := c
	value := func(x byte, signed bool) int64 {
		if signed {
			return int64(int8(x))
		}
		return int64(x)
	}
	for i := range m {
		for j := range n {
			at := 64*i + 4*j
			sum := int64(binary.LittleEndian.Uint32(c[at:]))
			for p := range 4 * k {
				sum += value(a[64*i+p], op.signedA) * value(b[64*(p/4)+4*j+p%4], op.signedB)
			}
			binary.LittleEndian.PutUint32(want[at:], uint32(sum))
		}
	}
	config := configuration(m, 4*n, m, 4*k, k, 4*n)
	op.multiply(&config, &c, &a, &b)
	if c != want {
		return fmt.Errorf("%s of %d × %d × %d: wrong", op.name, m, n, k)
	}
	return nil
}

func probeTiles() error {
	r := rand.New(rand.NewPCG(1, 1))
	for round := range 60 {
		m, n, k := 1+r.IntN(16), 1+r.IntN(16), 1+r.IntN(16)
		if round < 4 {
			m, n, k = 16, 16, 16
		}
		if err := probeMultiplication(r, m, n, k, round%4); err != nil {
			return err
		}
	}
	var tile [1024]byte
	fill(r, tile[:])
	want := tile
	for i := range 3 {
		clear(want[64*i:][:8])
	}
	config := configuration(3, 8, 16, 64, 16, 64)
	var stored, released [64]byte
	fill(r, released[:])
	zeroed(&config, &tile, &stored, &released)
	if tile != want {
		return fmt.Errorf("TILEZERO: stored % x", tile)
	}
	if stored != config || released != [64]byte{} {
		return fmt.Errorf("STTILECFG: stored % x and, released, % x", stored, released)
	}
	return nil
}

// probeThreads multiplies on many threads at once under garbage collection,
// whose signals interrupt them.
func probeThreads() error {
	runtime.GOMAXPROCS(8)
	var wait sync.WaitGroup
	errs := make([]error, 16)
	for g := range errs {
		wait.Add(1)
		go func() {
			defer wait.Done()
			r := rand.New(rand.NewPCG(uint64(g), 2))
			for range 20 {
				if err := probeMultiplication(r, 1+r.IntN(16), 1+r.IntN(16), 1+r.IntN(16), r.IntN(4)); err != nil {
					errs[g] = err
					return
				}
				runtime.GC()
			}
		}()
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func probeDots() error {
	r := rand.New(rand.NewPCG(3, 3))
	for range 25 {
		for i, op := range []func(sums *[64]byte, unsigned, signed *[32]byte){dot256, dot256Memory, dot128, dot128Memory} {
			name := []string{"VPDPBUSD ymm", "VPDPBUSD ymm, memory", "VPDPBUSD xmm", "VPDPBUSD xmm, memory"}[i]
			var sums [64]byte
			var unsigned, signed [32]byte
			fill(r, sums[:32])
			fill(r, unsigned[:])
			fill(r, signed[:])
			var want [64]byte
			for at := 0; at < []int{32, 32, 16, 16}[i]; at += 4 {
				sum := int64(binary.LittleEndian.Uint32(sums[at:]))
				for j := at; j < at+4; j++ {
					sum += int64(unsigned[j]) * int64(int8(signed[j]))
				}
				binary.LittleEndian.PutUint32(want[at:], uint32(sum))
			}
			op(&sums, &unsigned, &signed)
			if sums != want {
				return fmt.Errorf("%s: % x, want % x", name, sums, want)
			}
		}
	}
	return nil
}
