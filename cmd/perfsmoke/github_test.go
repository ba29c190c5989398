package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostileTexts try to end a command, to start another one, or to mean
// something in Markdown.
var hostileTexts = []string{
	"plain",
	"",
	"\n::error::broken out",
	"a\r::add-mask::4\rb",
	"a\r\n::set-output name=x::y\r\n",
	"::endgroup::\n::stop-commands::x",
	"##[error]old form",
	"text ##[stop-commands]x\n##[add-matcher]/tmp/m",
	"100% %0A::error::twice %250A",
	"x<<EOF\nend_of_model\nend_of_model_\nother=1",
	"end_of_model",
	"\nend_of_model\nPATH<<end_of_model\n/evil\nend_of_model",
	"end_of_model_ end_of_model__\nend_of_model___",
	"| a | b |\n|---|---|",
	"`code` ``` *bold* _it_ ~~no~~ [link](https://example.org) ![i](x)",
	"<script>alert(1)</script><!-- --> </code> &lt; &amp;",
	"@everyone #1 GH-1 org/repo#1 https://example.org www.example.org me@example.org",
	"\\| \\\\| \\` \\&#124;",
	"\x1b[31mred\x1b[0m \x00 \x07 \u202egnp.exe \u2028::error::x\u0085::error::y \ufeff::error::z",
	"\xff\xfe broken",
	"\u00a0::error::x\r###[error]y ##\n[z]",
	"   ::warning::indented",
	":",
	"::",
}

// runnerCommand is a workflow command as the runner understands it.
type runnerCommand struct{ name, text string }

// runnerCommands reads what a step printed as the runner does: line by line,
// "::name properties::text" at the start of a line, or the older
// "##[name properties]text" anywhere in it, and nothing at all from a
// stop-commands on to the command that its token names.
func runnerCommands(output string) (commands []runnerCommand, plain []string) {
	output = strings.ReplaceAll(output, "\r\n", "\n")
	output = strings.ReplaceAll(output, "\r", "\n")
	stopped := ""
	for _, line := range strings.Split(strings.TrimSuffix(output, "\n"), "\n") {
		var command runnerCommand
		found := false
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t\v\f"), "::"); ok {
			if name, text, ok := strings.Cut(rest, "::"); ok {
				name, _, _ = strings.Cut(name, " ")
				text = strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%").Replace(text)
				command, found = runnerCommand{name, text}, true
			}
		}
		if !found {
			if _, rest, ok := strings.Cut(line, "##["); ok {
				if name, text, ok := strings.Cut(rest, "]"); ok {
					name, _, _ = strings.Cut(name, " ")
					command, found = runnerCommand{name, text}, true
				}
			}
		}
		switch {
		case found && stopped != "" && command.name == stopped:
			stopped = ""
		case found && stopped == "" && command.name == "stop-commands":
			stopped = command.text
		case found && stopped == "":
			commands = append(commands, command)
		default:
			plain = append(plain, line)
		}
	}
	return commands, plain
}

// runnerOutputs reads a file of $GITHUB_OUTPUT as the runner does.
func runnerOutputs(t testing.TB, file string) map[string]string {
	outputs := map[string]string{}
	lines := strings.Split(file, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		equals, heredoc := strings.Index(lines[i], "="), strings.Index(lines[i], "<<")
		if heredoc < 0 || equals >= 0 && equals < heredoc {
			key, value, ok := strings.Cut(lines[i], "=")
			if !ok {
				t.Fatalf("the runner refuses the line %q", lines[i])
			}
			outputs[key] = value
			continue
		}
		key, end, _ := strings.Cut(lines[i], "<<")
		var value []string
		for i++; i < len(lines) && strings.TrimSuffix(lines[i], "\r") != end; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			t.Fatalf("the output %q does not end", key)
		}
		outputs[key] = strings.Join(value, "\n")
	}
	return outputs
}

func testGitHub(t testing.TB) (g *gitHub, out *bytes.Buffer, dir string) {
	t.Helper()
	dir, out = t.TempDir(), &bytes.Buffer{}
	env := map[string]string{
		"GITHUB_ACTIONS":      "true",
		"GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"),
		"GITHUB_OUTPUT":       filepath.Join(dir, "output"),
	}
	return newGitHub(func(key string) string { return env[key] }, out), out, dir
}

// checkGitHub sends text through every way out and reads it as the runner does.
func checkGitHub(t *testing.T, text string) {
	g, out, dir := testGitHub(t)
	g.Group(text)
	g.Notice(text)
	g.Warning(text)
	if err := g.Untrusted(func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
		t.Fatal(err)
	}
	g.EndGroup()

	commands, plain := runnerCommands(out.String())
	shown := printable(text, '\n')
	want := []runnerCommand{{"group", shown}, {"notice", shown}, {"warning", shown}, {"endgroup", ""}}
	if fmt.Sprint(commands) != fmt.Sprint(want) {
		t.Errorf("text %q: commands %q, want %q", text, commands, want)
	}
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	if lines = strings.TrimSuffix(lines, "\n"); lines == "" && len(plain) == 0 {
		// nothing to show
	} else if got := strings.Join(plain, "\n"); got != lines {
		t.Errorf("text %q is shown as %q", text, got)
	}

	// What goes past it, written at once or in pieces, has no commands.
	for _, size := range []int{len(text), 1} {
		var past bytes.Buffer
		breaker := &commandBreaker{out: &past}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if written, err := breaker.Write(rest[:n]); written != n || err != nil {
				t.Fatal(written, err)
			}
			rest = rest[n:]
		}
		if commands, _ := runnerCommands(past.String()); len(commands) > 0 {
			t.Errorf("text %q: commands %q in %q", text, commands, past.String())
		}
		if strings.ReplaceAll(past.String(), " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("text %q is shown as %q", text, past.String())
		}
	}

	for _, output := range [][2]string{{"first", "1"}, {"model", text}, {"last", "2"}} {
		if err := g.Output(output[0], output[1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	outputs := runnerOutputs(t, string(file))
	if len(outputs) != 3 || outputs["first"] != "1" || outputs["model"] != text || outputs["last"] != "2" {
		t.Errorf("text %q: outputs %q", text, outputs)
	}
}

func TestGitHubHostile(t *testing.T) {
	for _, text := range hostileTexts {
		checkGitHub(t, text)
		checkMarkdownCode(t, text)
	}
	checkGitHub(t, strings.Join(hostileTexts, ""))
	checkGitHub(t, strings.Join(hostileTexts, "\n"))
}

// No name gives the runner a command, whichever stream it is printed to.
func TestGitHubNames(t *testing.T) {
	const command = "##[error]name"
	dir := t.TempDir()
	hostile := filepath.Join(dir, command+".json")
	example, err := os.ReadFile(positiveExample)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hostile, example, 0o600); err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, command+".gguf")
	tiny, err := os.ReadFile(tinyModel(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(model, tiny, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	absent := "::error::absent"
	for _, test := range []struct {
		status int
		args   []string
		want   []string // the commands that are meant
	}{
		{exitOK, []string{"verify", hostile}, nil},
		{exitOK, []string{"verify", hostile, "--replay"}, nil},
		{exitUnchecked, []string{"verify", absent}, nil},
		{exitUnchecked, []string{"verify", command}, nil},
		{exitFailed, []string{"compare", hostile, command}, nil},
		{exitFailed, []string{"comment", command}, nil},
		{exitOK, []string{"comment", hostile}, nil},
		{exitUsage, []string{command}, nil},
		{exitUsage, []string{"run", absent}, nil},
		{exitUsage, []string{"--gate", "5", "--baseline", command}, nil},
		{exitOK, []string{"--model", model, "--repeat", "1"}, []string{"group", "endgroup", "notice"}},
		{exitOK, []string{"--model", command, "--repeat", "1"}, []string{"group", "endgroup", "warning", "notice"}},
	} {
		c := modelConsole(map[string]string{"GITHUB_ACTIONS": "true"})
		status, out, stderr := run(t, c, test.args...)
		if status != test.status {
			t.Errorf("%q: status %d, output %q, errors %q", test.args, status, out, stderr)
		}
		if commands, _ := runnerCommands(stderr); len(commands) > 0 {
			t.Errorf("%q: commands %q in the errors", test.args, commands)
		}
		commands, _ := runnerCommands(out)
		var got []string
		for _, command := range commands {
			got = append(got, command.name)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%q: commands %q, want %q", test.args, got, test.want)
		}
	}
}

func FuzzGitHub(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkGitHub(t, text)
		checkMarkdownCode(t, text)
	})
}

// checkMarkdownCode reads back what markdownCode wrote and sees that between
// its tags there is nothing but letters, digits, characters beyond ASCII, a few
// signs and numeric references to a character, none of which means anything in
// Markdown there.
func checkMarkdownCode(t *testing.T, text string) {
	t.Helper()
	code := markdownCode(text)
	inner, ok := strings.CutPrefix(code, "<code>")
	inner, ok2 := strings.CutSuffix(inner, "</code>")
	if !ok || !ok2 {
		t.Fatalf("%q is written as %q", text, code)
	}
	var read strings.Builder
	for inner != "" {
		var number rune
		if rest, ok := strings.CutPrefix(inner, "&#"); ok {
			digits, rest, ok := strings.Cut(rest, ";")
			if n, err := fmt.Sscanf(digits, "%d", &number); !ok || n != 1 || err != nil {
				t.Fatalf("%q is written as %q", text, code)
			}
			read.WriteRune(number)
			inner = rest
			continue
		}
		for _, r := range inner {
			number = r
			break
		}
		if number < 0x80 && !strings.ContainsRune("0123456789 -,/()%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", number) {
			t.Fatalf("%q is written as %q, with a bare %q", text, code, number)
		}
		read.WriteRune(number)
		inner = inner[len(string(number)):]
	}
	if read.String() != printable(text) {
		t.Fatalf("%q is shown as %q", text, read.String())
	}
}

func TestGitHubSummary(t *testing.T) {
	g, out, dir := testGitHub(t)
	for _, markdown := range []string{"# One", "two\n"} {
		if err := g.Summary(markdown); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, "summary"))
	if err != nil {
		t.Fatal(err)
	}
	if string(file) != "# One\ntwo\n" || out.Len() != 0 {
		t.Errorf("the summary holds %q, and %q was printed", file, out)
	}
}

func TestGitHubOutputName(t *testing.T) {
	g, _, dir := testGitHub(t)
	for _, key := range []string{"", "a b", "a=b", "a\nb", "1a", "-a", "a<<b", "é"} {
		if g.Output(key, "x") == nil {
			t.Errorf("output name %q is accepted", key)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "output")); err == nil {
		t.Error("a refused output was written")
	}
}

// Elsewhere than on GitHub the commands would be noise.
func TestGitHubElsewhere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	env := map[string]string{"GITHUB_ACTIONS": "false", "GITHUB_STEP_SUMMARY": file, "GITHUB_OUTPUT": file}
	var out bytes.Buffer
	g := newGitHub(func(key string) string { return env[key] }, &out)
	g.Group("title")
	g.Notice("notice")
	g.Warning("warning")
	g.EndGroup()
	if err := g.Summary("summary"); err != nil {
		t.Error(err)
	}
	if err := g.Output("key", "value"); err != nil {
		t.Error(err)
	}
	if err := g.Untrusted(func(w io.Writer) error { _, err := io.WriteString(w, "::notice::as it is"); return err }); err != nil {
		t.Error(err)
	}
	if out.String() != "::notice::as it is" {
		t.Errorf("printed %q", out.String())
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
}

// A step whose environment lacks the files, as under other runners, goes on;
// a file that cannot be written is reported.
func TestGitHubFiles(t *testing.T) {
	env := map[string]string{"GITHUB_ACTIONS": "true"}
	g := newGitHub(func(key string) string { return env[key] }, io.Discard)
	if err := g.Summary("x"); err != nil {
		t.Error(err)
	}
	if err := g.Output("key", "x"); err != nil {
		t.Error(err)
	}
	env["GITHUB_STEP_SUMMARY"], env["GITHUB_OUTPUT"] = t.TempDir(), t.TempDir()
	g = newGitHub(func(key string) string { return env[key] }, io.Discard)
	if g.Summary("x") == nil || g.Output("key", "x") == nil {
		t.Error("writing to a folder succeeds")
	}
}
