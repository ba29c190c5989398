package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/gobitnet/gobitnet/bitnet/hub"
	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const workflowFolder = ".github/workflows"

// A workflowStep is one step of a job, as far as it says what to run.
type workflowStep struct {
	name, run, uses, condition string
	continueOnError            bool
}

// workflowJobs reads the jobs of a workflow. It understands the part of YAML
// that the workflows of this project keep to: two spaces for each level, and
// commands on the same line or in a block after "|" or ">-".
func workflowJobs(t *testing.T, text string) map[string][]workflowStep {
	t.Helper()
	jobs := map[string][]workflowStep{}
	lines := strings.Split(text, "\n")
	indent := func(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
	job, inJobs, inSteps := "", false, false
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		content := strings.TrimSpace(line)
		if content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		switch depth := indent(line); {
		case depth == 0:
			inJobs = content == "jobs:"
		case !inJobs:
		case depth == 2:
			job, inSteps = strings.TrimSuffix(content, ":"), false
			jobs[job] = nil
		case depth == 4:
			inSteps = content == "steps:"
		case inSteps && (depth == 6 || depth == 8):
			if rest, ok := strings.CutPrefix(content, "- "); ok && depth == 6 {
				jobs[job] = append(jobs[job], workflowStep{})
				content = rest
			} else if ok || depth == 6 {
				t.Fatalf("line %d of the workflow is not understood: %s", i+1, line)
			}
			key, value, _ := strings.Cut(content, ":")
			value = strings.TrimSpace(value)
			if value == "|" || value == ">-" {
				between := map[string]string{"|": "\n", ">-": " "}[value]
				var block []string
				for i+1 < len(lines) && (strings.TrimSpace(lines[i+1]) == "" || indent(lines[i+1]) >= 10) {
					i++
					block = append(block, strings.TrimPrefix(lines[i], strings.Repeat(" ", 10)))
				}
				value = strings.TrimSpace(strings.Join(block, between))
			}
			step := &jobs[job][len(jobs[job])-1]
			switch key {
			case "name":
				step.name = value
			case "run":
				step.run = value
			case "uses":
				step.uses = value
			case "if":
				step.condition = value
			case "continue-on-error":
				step.continueOnError = value == "true"
			}
		}
	}
	return jobs
}

// projectRoot returns the folder of the project's sources.
func projectRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Nothing that an event brings is part of a shell's text, every action is an
// official one of a fixed major version, and every permission is given to a job
// by name.
func TestWorkflowsAreSafe(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(projectRoot(t), workflowFolder, "*.yml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("workflows %q, %v", files, err)
	}
	official := regexp.MustCompile(`^actions/[a-z-]+@v[0-9]+$`)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, name := strings.ReplaceAll(string(data), "\r\n", "\n"), filepath.Base(file)
		jobs := workflowJobs(t, text)
		runs := 0
		for job, steps := range jobs {
			for _, step := range steps {
				if strings.Contains(step.run, "${{") {
					t.Errorf("%s: %s: the step %q puts an expression into a shell", name, job, step.name)
				}
				if (step.run == "") == (step.uses == "") || step.uses != "" && !official.MatchString(step.uses) {
					t.Errorf("%s: %s: the step %q runs %q and uses %q", name, job, step.name, step.run, step.uses)
				}
				if step.run != "" {
					runs++
				}
			}
		}
		if want := len(regexp.MustCompile(`(?m)^\s+(- )?run: `).FindAllString(text, -1)); runs != want || runs == 0 {
			t.Errorf("%s: %d of %d commands are read", name, runs, want)
		}
		if !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s: permissions are not empty by default", name)
		}
		if granted := strings.Count(text, "\n    permissions:\n      "); granted != len(jobs) {
			t.Errorf("%s: %d of %d jobs say what they may", name, granted, len(jobs))
		}
		if strings.Contains(text, "pull_request_target") {
			t.Errorf("%s: runs with the rights of the base branch", name)
		}
		writing := regexp.MustCompile(`(?m)^      [a-z-]+: write$`).FindAllString(text, -1)
		if want := map[string]int{"ci.yml": 1, "performance-tracking.yml": 1, "release.yml": 3}[name]; len(writing) != want {
			t.Errorf("%s: may write %q", name, writing)
		}
	}
}

// publishedModelAsked is the condition of the steps that download it.
const publishedModelAsked = "inputs.published_model"

// The published model is downloaded where it is asked for and nowhere else, and
// kept under the sum that bitnet pull holds it to.
func TestPublishedModelStep(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(projectRoot(t), workflowFolder, "ci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	published := hub.Models()[0]
	if !strings.Contains(string(text), "\n          key: model-"+published.SHA256+"\n") {
		t.Errorf("the cache's key is not the SHA-256 %s", published.SHA256)
	}
	if !strings.Contains(string(text), "published_model:\n        description: Download the published model and time it too\n        type: boolean\n        default: false\n") {
		t.Error("the download is not off by default")
	}
	pulls := 0
	for job, steps := range workflowJobs(t, string(text)) {
		for _, step := range steps {
			if strings.Contains(step.run, "bitnet pull") {
				pulls++
				if job != "perf-smoke" || step.condition != publishedModelAsked || !step.continueOnError || !strings.Contains(step.run, "bitnet pull "+published.Name+"\n") {
					t.Errorf("%s: %+v", job, step)
				}
			}
		}
	}
	if pulls != 1 {
		t.Errorf("%d steps download", pulls)
	}
}

// What the perf-smoke job does can be typed at home: its very commands, in a
// clean clone of the last commit.
func TestPerfSmokeJob(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command in a clone")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the job runs on Linux, in bash")
	}
	for _, tool := range []string{"git", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	root := projectRoot(t)
	if _, err := os.Stat(filepath.Join(root, ".git")); errors.Is(err, os.ErrNotExist) {
		t.Skip("the sources are not a git checkout")
	}
	clone := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("git", "clone", "--quiet", root, clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(clone, workflowFolder, "ci.yml"))
	if err != nil {
		t.Fatal(err)
	}

	runner := t.TempDir()
	env := append(os.Environ(),
		"CGO_ENABLED=0", "GITHUB_ACTIONS=true",
		"GITHUB_OUTPUT="+filepath.Join(runner, "output"),
		"GITHUB_STEP_SUMMARY="+filepath.Join(runner, "summary"))
	names := map[string]bool{}
	for _, step := range workflowJobs(t, string(text))["perf-smoke"] {
		if step.run == "" || step.condition == publishedModelAsked {
			continue
		}
		names[step.name] = true
		if step.condition != "" && step.condition != "steps.smoke.outputs.status == 'ok'" {
			t.Fatalf("the condition of the step %q is not understood: %s", step.name, step.condition)
		}
		command := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.run)
		command.Dir, command.Env = clone, env
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", step.name, err, out)
		}
		commands, _ := runnerCommands(string(out))
		for _, c := range commands {
			if c.name == "warning" {
				t.Errorf("%s: warning %s", step.name, c.text)
			}
		}
		if step.name == "Perf smoke (non-gating)" {
			if !step.continueOnError {
				t.Errorf("%s: gates", step.name)
			}
			if len(commands) != 3 || commands[0].name != "group" || commands[1].name != "endgroup" || commands[2].name != "notice" {
				t.Errorf("%s: commands %v", step.name, commands)
			}
		}
	}
	for _, want := range []string{
		"Release build", "Perf smoke (non-gating)", "Verify the positive example",
		"Verify that the negative examples are refused", "Verify the generated receipt",
	} {
		if !names[want] {
			t.Errorf("the job has no step %q", want)
		}
	}

	output, err := os.ReadFile(filepath.Join(runner, "output"))
	if err != nil {
		t.Fatal(err)
	}
	if outputs := runnerOutputs(t, string(output)); outputs["status"] != receipt.StatusOK || outputs["receipt"] != "receipt.json" {
		t.Errorf("outputs %q", outputs)
	}
	summary, err := os.ReadFile(filepath.Join(runner, "summary"))
	if err != nil || !strings.Contains(string(summary), "| decoding |") {
		t.Errorf("summary %q, %v", summary, err)
	}
	comment, err := os.ReadFile(filepath.Join(clone, "comment.md"))
	if err != nil || !strings.HasPrefix(string(comment), commentMarker+"\n") {
		t.Errorf("comment %q, %v", comment, err)
	}
	r, err := receipt.Read(filepath.Join(clone, "receipt.json"))
	if err != nil || r.Status != receipt.StatusOK || r.TokensGenerated == 0 {
		t.Errorf("receipt %+v, %v", r, err)
	}
}
