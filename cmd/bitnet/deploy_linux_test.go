package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSystemdUnits has systemd check the unit and the socket, with the program and
// its flags in their places.
func TestSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	folder := t.TempDir()
	units := []string{"bitnet.service", "bitnet.socket"}
	for _, name := range units {
		text := read(t, filepath.Join("deploy", name))
		write(t, filepath.Join(folder, name), strings.ReplaceAll(text, "/usr/local/bin/bitnet", os.Args[0]))
	}
	command := exec.Command(analyze, "verify", "--man=no", filepath.Join(folder, units[0]), filepath.Join(folder, units[1]))
	if output, err := command.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, output)
	}
	// It is a check: it finds mistakes.
	write(t, filepath.Join(folder, units[0]), strings.ReplaceAll(read(t, filepath.Join(folder, units[0])), "NoNewPrivileges", "NoNewPrivilege"))
	if output, _ := exec.Command(analyze, "verify", "--man=no", filepath.Join(folder, units[0])).CombinedOutput(); !strings.Contains(string(output), "NoNewPrivilege") {
		t.Errorf("a mistake is not found: %s", output)
	}
}

// TestImage runs what the Dockerfile builds with nothing around it.
func TestImage(t *testing.T) {
	root := t.TempDir()
	dockerfile := read(t, filepath.Join("deploy", "Dockerfile"))
	for _, want := range []string{"CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /bitnet ./cmd/bitnet", "FROM scratch\n", `ENTRYPOINT ["/bitnet"]`, "USER 65532:65532"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", filepath.Join(root, "bitnet"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/bitnet", "run", "--prompt", "2+2=")
	command.Dir, command.Env = "/", []string{}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Getuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
	} else {
		command.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: os.Getuid(), Size: 1}}
	}
	output, err := command.Output()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("this system has no root of its own for us: %v", err)
	}
	if err != nil || strings.TrimSpace(string(output)) != "4" {
		t.Errorf("with an empty root: %v, %q", err, output)
	}
}
