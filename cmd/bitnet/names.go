package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobitnet/gobitnet/bitnet/hub"
)

// store returns where models are kept.
func (c *call) store() (*hub.Store, error) {
	s := &hub.Store{
		Folder: c.settings.home, Endpoint: c.settings.endpoint, Token: c.settings.token,
		HuggingFaceCache: c.settings.huggingFaceCache, Logger: slog.New(logLines{c}),
	}
	var err error
	if s.Folder == "" {
		s.Folder, err = hub.DefaultFolder()
	}
	return s, err
}

// locate returns the file of the model that a user named. What is a file is one;
// what is a name of a model is looked up, and brought to this machine with pull
// or after asking.
func (c *call) locate(name string, pull bool) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	if !hub.IsReference(name) {
		if name != "" && filepath.Base(name) == name && filepath.Ext(name) == "" {
			return "", fmt.Errorf("%s: there is no such file, and no model of that name: bitnet models lists them", name)
		}
		return name, nil // to open it says what is wrong
	}
	r, err := hub.Parse(name)
	if err != nil {
		return "", usagef("%v", err)
	}
	s, err := c.store()
	if err != nil {
		return "", err
	}
	e, err := s.Find(r)
	if errors.Is(err, hub.ErrNotHere) {
		// Perhaps it is elsewhere on this machine.
		e, err = c.pull(s, r, hub.PullOptions{Offline: true}, nil)
	}
	if !errors.Is(err, hub.ErrNotHere) {
		return e.Path, err
	}
	if !pull {
		if !isTerminal(c.stdin) || !isTerminal(c.stderr) {
			return "", fmt.Errorf("%s is not on this machine: bitnet pull %s brings it, and so does --pull", r, r)
		}
		if !c.ask(r) {
			return "", fmt.Errorf("%s is not on this machine", r)
		}
	}
	e, err = c.pull(s, r, hub.PullOptions{}, c.newBar(r.Name))
	return e.Path, err
}

// ask asks whether to download.
func (c *call) ask(r hub.Reference) bool {
	size := ""
	if r.Bytes > 0 {
		size = ", " + hub.FormatBytes(r.Bytes)
	}
	fmt.Fprintf(c.stderr, "%s is not on this machine. Download it%s? [y/N] ", visible(r.Name), size)
	// No byte more than the line: what follows is for others.
	answer, _ := bufio.NewReaderSize(oneByte{c.stdin}, 16).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// pull brings a file and tells how far it has come, until it is there or a
// signal comes.
func (c *call) pull(s *hub.Store, r hub.Reference, o hub.PullOptions, shown reporter) (hub.Entry, error) {
	ctx, stop := interruptible()
	defer stop()
	if shown != nil {
		o.Progress = shown.show
		defer shown.end()
	}
	e, err := s.Pull(ctx, r, o)
	if err == nil {
		return e, nil
	}
	kept := ""
	if u := new(hub.UnfinishedError); errors.As(err, &u) {
		kept = hub.FormatBytes(u.Bytes)
		if u.Total > 0 {
			kept += " of " + hub.FormatBytes(u.Total)
		}
		kept += ", which are kept: the same command goes on from there"
	}
	switch i := interrupted(ctx); {
	case i != nil && kept != "":
		return e, &interruption{i.signal, "after " + kept}
	case i != nil:
		return e, &interruption{i.signal, "before anything came"}
	case errors.Is(err, hub.ErrInsecure):
		err = fmt.Errorf("%w, or bitnet pull --insecure", err)
	}
	if kept != "" {
		err = fmt.Errorf("%w, after %s", err, kept)
	}
	return e, err
}

// logLines has what the store tells appear like everything else on standard
// error.
type logLines struct{ c *call }

func (l logLines) Enabled(_ context.Context, level slog.Level) bool {
	switch {
	case level < slog.LevelInfo:
		return l.c.settings.log >= logDebug
	case level < slog.LevelWarn:
		return l.c.settings.log >= logInfo
	}
	return true
}

func (l logLines) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	between := ": "
	r.Attrs(func(a slog.Attr) bool {
		line += between + a.Key + " " + a.Value.String()
		between = ", "
		return true
	})
	if isTerminal(l.c.stderr) {
		io.WriteString(l.c.stderr, "\r\x1b[K") // a bar may stand there
	}
	switch {
	case r.Level < slog.LevelInfo:
		l.c.debugf("%s", line)
	case r.Level < slog.LevelWarn:
		l.c.infof("%s", line)
	default:
		l.c.warnf("%s", line)
	}
	return nil
}

func (l logLines) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l logLines) WithGroup(string) slog.Handler      { return l }
