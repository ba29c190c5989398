//go:build linux && amd64

package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommands builds emulate and probe and lets the one run the other.
func TestCommands(t *testing.T) {
	if lacking := (features{amx: true, avxvnni: true}).lacking(); !lacking.amx || !lacking.avxvnni {
		t.Skip("the processor has features that would be emulated")
	}
	dir := t.TempDir()
	emulate, probe := filepath.Join(dir, "emulate"), filepath.Join(dir, "probe")
	for out, source := range map[string]string{emulate: ".", probe: "./probe"} {
		if message, err := exec.Command("go", "build", "-o", out, source).CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", source, err, message)
		}
	}
	for _, test := range []struct {
		name    string
		command []string // arguments of emulate
		status  int
		output  string // what it says, among other things
	}{
		{"everything", []string{"-v", probe}, 0, "AMX true AVX-VNNI true\nok\n"},
		{"in a child", []string{probe, "exec"}, 0, "AMX true AVX-VNNI true\nok\n"},
		{"in a child's child", []string{probe, "exec", "exec"}, 0, "AMX true AVX-VNNI true\nok\n"},
		{"after exec", []string{"/bin/sh", "-c", "exec " + probe}, 0, "AMX true AVX-VNNI true\nok\n"},
		{"AMX alone", []string{"-features", "amx", probe}, 0, "AMX true"},
		{"AVX-VNNI alone", []string{"-features", "avxvnni", probe}, 0, "AVX-VNNI true\nok\n"},
		{"used", []string{"-used", probe}, 0, "ok\n"},
		{"not used", []string{"-used", probe, "status", "0"}, failed, "AMX false, AVX-VNNI false"},
		{"status", []string{probe, "status", "7"}, 7, ""},
		{"killed", []string{probe, "kill"}, 128 + 9, ""},
		{"passes SIGILL on", []string{probe, "ud2"}, 2, "SIGILL"},
		{"without permission", []string{probe, "unasked"}, failed, "LDTILECFG"},
		{"without configuration", []string{probe, "unconfigured"}, failed, "TILEZERO tmm0"},
		{"in a child without configuration", []string{probe, "exec", "unconfigured"}, failed, "#UD: tiles are not configured"},
		{"wrong palette", []string{probe, "palette"}, failed, "#GP: palette 2"},
		{"wrong address", []string{probe, "pagefault"}, failed, "#PF"},
		{"no such command", []string{filepath.Join(dir, "nothing")}, failed, "nothing"},
		{"no such feature", []string{"-features", "amx,sse9", probe}, failed, `"sse9"`},
		{"no command", nil, failed, "no command"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, err := exec.Command(emulate, test.command...).CombinedOutput()
			status := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				status = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if status != test.status || !strings.Contains(string(output), test.output) {
				t.Errorf("status %d, want %d; output, which should have %q:\n%s", status, test.status, test.output, output)
			}
			if test.name == "everything" {
				for op := range operations {
					if !strings.Contains(string(output), "× "+op.String()+"\n") {
						t.Errorf("%v was not emulated:\n%s", op, output)
					}
				}
			}
		})
	}
}
