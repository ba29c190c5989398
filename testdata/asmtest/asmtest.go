// Package asmtest helps to test kernels in assembly: that they stay within the
// slices they are given, and that instructions written as numbers are the ones
// they are said to be.
package asmtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// An instruction macro, and the comment above it that says what it is.
var (
	macro    = regexp.MustCompile(`(?m)^(?:// (.+)\n)?#define (\w+)\(([^)]*)\) WORD \$\((.+)\)$`)
	argument = regexp.MustCompile(`\b[mndi]\b`)
)

// ARM64Instructions tests the instructions that a header defines as macros of
// the form
//
//	// fadd vD.4s, vN.4s, vM.4s
//	#define FADD(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))
//
// The comments, with numbers in the places of M, N, D and I, go through the GNU
// assembler; the test is skipped where there is none for arm64.
func ARM64Instructions(t *testing.T, header string) {
	t.Helper()
	text, err := os.ReadFile(header)
	if err != nil {
		t.Fatal(err)
	}
	macros := macro.FindAllStringSubmatch(string(text), -1)
	if len(macros) == 0 || len(macros) != strings.Count(string(text), "#define") {
		t.Fatalf("%s: %d definitions have the form of an instruction, of %d", header, len(macros), strings.Count(string(text), "#define"))
	}
	sources, err := filepath.Glob(filepath.Join(filepath.Dir(header), "*_arm64.s"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no assembly beside %s: %v", header, err)
	}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(source, []byte("WORD")) {
			t.Errorf("%s has an instruction as a number, which belongs in %s", name, header)
		}
	}

	assembler, err := exec.LookPath("aarch64-linux-gnu-as")
	if err != nil && runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		assembler, err = exec.LookPath("as")
	}
	if err != nil {
		t.Skip("there is no GNU assembler for arm64")
	}
	r := rand.New(rand.NewPCG(1, 2))
	var source strings.Builder
	var lines []string
	var words []uint32
	for _, m := range macros {
		meaning, name, expression := m[1], m[2], m[4]
		if meaning == "" {
			t.Errorf("%s: no comment says what %s is", header, name)
		}
		for range 20 {
			value := map[string]string{"i": fmt.Sprint(r.IntN(4))}
			for _, register := range []string{"m", "n", "d"} {
				value[register] = fmt.Sprint(r.IntN(31))
			}
			if strings.Contains(meaning, "#I") {
				value["i"] = fmt.Sprint(1 + r.IntN(31)) // a shift
			}
			line := strings.NewReplacer("M", value["m"], "N", value["n"], "D", value["d"], "I", value["i"]).Replace(meaning)
			result, err := types.Eval(token.NewFileSet(), nil, token.NoPos, argument.ReplaceAllStringFunc(expression, func(s string) string { return value[s] }))
			if err != nil {
				t.Fatalf("%s: %s: %v", header, name, err)
			}
			word, exact := constant.Uint64Val(result.Value)
			if !exact || word>>32 != 0 {
				t.Fatalf("%s: %s is %v", header, name, result.Value)
			}
			lines = append(lines, line)
			words = append(words, uint32(word))
			fmt.Fprintln(&source, line)
		}
	}
	object := filepath.Join(t.TempDir(), "instructions.o")
	command := exec.Command(assembler, "-march=armv8.2-a+dotprod", "-o", object, "-")
	command.Stdin = strings.NewReader(source.String())
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", header, err, output)
	}
	file, err := elf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	code, err := file.Section(".text").Data()
	if err != nil || len(code) != 4*len(words) {
		t.Fatalf("%d instructions became %d bytes: %v", len(words), len(code), err)
	}
	for i, word := range words {
		if want := binary.LittleEndian.Uint32(code[4*i:]); word != want {
			t.Errorf("%s: %q is %#08x, not %#08x", header, lines[i], want, word)
		}
	}
}

// Edges calls f twice with a function that copies slices: to where the memory
// that may be accessed ends, so that to read or write behind the copy ends the
// program, and to where it begins. On systems other than Linux and macOS the
// copies are ordinary ones.
func Edges(t *testing.T, f func(t *testing.T, place Placer)) {
	t.Helper()
	t.Run("end", func(t *testing.T) { f(t, Placer{t, true}) })
	t.Run("begin", func(t *testing.T) { f(t, Placer{t, false}) })
}

// A Placer places copies at one edge of their memory.
type Placer struct {
	t     *testing.T
	atEnd bool
}
