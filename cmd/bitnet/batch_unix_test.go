//go:build unix

package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBatchKilled kills the program at twenty moments, interrupts it at one, and has
// it go on each time.
func TestBatchKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	folder := t.TempDir()
	program, requests, answers := filepath.Join(folder, "bitnet"), filepath.Join(folder, "requests"), filepath.Join(folder, "answers")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	write(t, requests, batchRequests(160))
	succeed(t, "batch", "--input", requests, "--output", filepath.Join(folder, "whole"))
	whole := read(t, filepath.Join(folder, "whole"))

	size := func() int {
		info, err := os.Stat(answers)
		if err != nil {
			return 0
		}
		return int(info.Size())
	}
	start := func() (*exec.Cmd, *bytes.Buffer) {
		command, said := exec.Command(program, "batch", "--input", requests, "--output", answers, "--threads", "1", "--parallel", "3"), &bytes.Buffer{}
		command.Stderr = said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		return command, said
	}
	write(t, answers, "")
	random := rand.New(rand.NewPCG(1, 2))
	const kills = 20
	for i := range kills + 1 {
		enough := size() + random.IntN(len(whole)/kills/2)
		command, said := start()
		// Some die before their first answer, most after some.
		for deadline := time.Now().Add(20 * time.Second); i%5 != 0 && size() <= enough; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is written")
			}
		}
		time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
		if i == 7 {
			command.Process.Signal(syscall.SIGINT)
			var exit *exec.ExitError
			if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 || !strings.Contains(said.String(), " of 160 requests: the same command goes on from there\n") {
				t.Errorf("interrupted, it ended with %v and said %q", err, said)
			}
		} else {
			command.Process.Kill()
			if err := command.Wait(); err == nil {
				t.Fatalf("it was done before it was killed the %dth time", i)
			}
		}
		if got := read(t, answers); !strings.HasPrefix(whole, got) {
			t.Fatalf("after %d kills the answers are no beginning of those of an undisturbed run", i+1)
		}
	}
	if size() == 0 {
		t.Error("nothing was kept")
	}
	command, said := start()
	if err := command.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if !strings.Contains(said.String(), " of 160 requests are answered already") {
		t.Errorf("it said %q", said)
	}
	if read(t, answers) != whole {
		t.Error("the answers are not those of an undisturbed run")
	}

	// Two at once write the same bytes at the same places.
	write(t, answers, whole[:len(whole)/2])
	one, errsOne := start()
	other, errsOther := start()
	if err := errors.Join(one.Wait(), other.Wait()); err != nil {
		t.Errorf("two at once: %v\n%s%s", err, errsOne, errsOther)
	}
	if read(t, answers) != whole {
		t.Error("the answers of two at once are not those of one")
	}
}
