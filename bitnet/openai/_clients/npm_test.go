package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNPM runs the clients from npm, each by the tests of its file in npm.
func TestNPM(t *testing.T) {
	node := command(t, "node")
	if _, err := os.Stat("npm/node_modules"); err != nil {
		t.Fatal("what the clients need is not installed: .ci/run clients installs it")
	}
	roomy := start(t, "", "--drain-delay", "0")
	full := start(t, "", "--drain-delay", "0", "--parallel", "1", "--queue", "0")
	files, err := filepath.Glob("npm/*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test.mjs"), func(t *testing.T) {
			run := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec", filepath.Base(file))
			run.Dir = "npm"
			run.Env = append(os.Environ(), "BITNET_ROOMY="+roomy.url, "BITNET_FULL="+full.url)
			out, err := run.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Error(err)
			}
			roomy.idle()
			full.idle()
		})
	}
}
