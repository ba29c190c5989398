package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestCompletion has each shell that there is complete some beginnings.
func TestCompletion(t *testing.T) {
	for _, c := range completedCommands() {
		for _, f := range c.flags {
			if f.summary == "" {
				t.Errorf("nothing is said about --%s of %s", f.name, c.name)
			}
		}
	}
	for shell, ask := range map[string]string{
		"bash": `source SCRIPT
for line in "LINES"; do
	read -ra COMP_WORDS <<< "${line//_/ }"
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_bitnet
	echo "${COMPREPLY[@]}"
done`,
		"fish": `source SCRIPT
for line in "LINES"
	echo (complete -C (string replace -a _ ' ' $line) | string replace -r '\t.*' '')
end`,
		"zsh": `compdef() { : }
_describe() { print -r -- ${(P)2} }
_arguments() { print -r -- $@ }
for line in "LINES"; do
	words=(${(s:_:)line})
	CURRENT=$#words
	source SCRIPT | tr '\n' ' '
	echo
done`,
	} {
		script, _ := succeed(t, "completion", shell)
		path := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(path, []byte(script), 0o666); err != nil {
			t.Fatal(err)
		}
		t.Run(shell, func(t *testing.T) {
			program, err := exec.LookPath(shell)
			if err != nil || runtime.GOOS == "windows" {
				t.Skipf("there is no %s", shell)
			}
			ask = strings.ReplaceAll(ask, "SCRIPT", path)
			ask = strings.ReplaceAll(ask, `"LINES"`, `bitnet_ch bitnet_run_--top bitnet_help_log bitnet_completion_z`)
			output, err := exec.Command(program, "-c", ask).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, output)
			}
			lines := strings.Split(strings.TrimSpace(string(output)), "\n")
			if len(lines) != 4 {
				t.Fatalf("it says %q", output)
			}
			for i, want := range [][]string{{"chat"}, {"--top-k", "--top-p"}, {"logits"}, {"zsh"}} {
				for _, word := range want {
					if !strings.Contains(lines[i], word) {
						t.Errorf("no %s in %q", word, lines[i])
					}
				}
				if shell != "zsh" && len(strings.Fields(lines[i])) != len(want) {
					t.Errorf("%q, want %q", lines[i], want)
				}
			}
		})
	}
}
