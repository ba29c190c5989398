package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/gobitnet/gobitnet/bitnet"
	"github.com/gobitnet/gobitnet/bitnet/gguf"
	"github.com/gobitnet/gobitnet/bitnet/hub"
)

const namesHelp = `
NAME is one that bitnet models lists, or one of these, each with #sha256= and
the file's SHA-256 behind it or without:

  hf:owner/repository[@revision]/file   a file on Hugging Face
  https://host/path                     any address
  file:path                             a file of this machine, to be copied

Where a command takes a model, what exists as a file is that file; a name that
begins with hf:, https:, http: or file:, or stands in the list, is a name; and
everything else is a path.
`

var pullCommand = command{
	name:    "pull",
	summary: "download a model by its name",
	help: `bitnet pull NAME [--to DIR] [flags]

Downloads a file, unless it is here, and prints where it lies. It comes whole or
not at all: size and SHA-256 are checked before it gets its name. What came of a
download that was interrupted is kept, and the next one goes on from there.
Files in the cache of Hugging Face's own programs are used where they are. A
model in several files is pulled one by one, with the same --to.
` + namesHelp + `
  --to DIR          put the file into this folder, under its own name, and not
                    into the store
  --offline         ask no network: use what is on this machine
  --insecure        allow addresses without encryption, of other machines too
  --json            print JSON: a line each second with bytes and total, and one
                    when done with name, path, bytes, sha256 and whether this
                    program can run it
`,
	run: pull,
}

// pulled is the last line of bitnet pull --json.
type pulled struct {
	Event  string `json:"event"` // "done"
	Name   string `json:"name"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Runs   bool   `json:"runs"`
	Reason string `json:"reason,omitempty"` // why not
}

func pull(c *call) error {
	flags := c.newFlags()
	var o hub.PullOptions
	flags.StringVar(&o.To, "to", "", "")
	flags.BoolVar(&o.Offline, "offline", false, "")
	flags.BoolVar(&o.Insecure, "insecure", false, "")
	asJSON := flags.Bool("json", false, "")
	names, err := parse(flags, c.args)
	if err != nil {
		return err
	}
	if given(flags, "to") && o.To == "" {
		return usagef("--to is given, but empty: name a folder, or leave it out")
	}
	r, s, err := c.reference(names)
	if err != nil {
		return err
	}
	shown := c.newBar(r.Name)
	if *asJSON {
		shown = c.newEvents(r.Name)
	}
	e, err := c.pull(s, r, o, shown)
	if errors.Is(err, hub.ErrNotHere) {
		return fmt.Errorf("%w, and --offline asks no network", err)
	}
	if err != nil {
		return err
	}
	about, reason := describe(e)
	if *asJSON {
		return encode(c, pulled{"done", e.Name, e.Path, e.Bytes, e.SHA256, reason == "", reason})
	}
	c.infof("%s: %s%s", e.Name, hub.FormatBytes(e.Bytes), about)
	return writeOut(c.stdout, e.Path+"\n")
}

// reference reads the one name that a command is about.
func (c *call) reference(names []string) (hub.Reference, *hub.Store, error) {
	if len(names) != 1 {
		return hub.Reference{}, nil, usagef("%d names: give one, as bitnet models lists them", len(names))
	}
	r, err := hub.Parse(names[0])
	if err != nil {
		return r, nil, usagef("%v: bitnet models lists the names", err)
	}
	s, err := c.store()
	return r, s, err
}

// describe says what a file is, and why this program cannot run it, or "".
func describe(e hub.Entry) (about, reason string) {
	f, err := gguf.Open(e.Path)
	if err != nil {
		if !strings.EqualFold(filepath.Ext(e.File), ".gguf") {
			return "", "it is no GGUF file"
		}
		return ", no usable GGUF file: " + err.Error(), err.Error()
	}
	defer f.Close()
	architecture, _ := f.Text("general.architecture")
	name, _ := f.Text("general.name")
	about = fmt.Sprintf(", %q, %s", name, architecture)
	u := usable(f, func(options ...bitnet.Option) (*bitnet.Model, error) { return bitnet.Open(e.Path, options...) })
	if u.run != nil {
		return about + ". This program cannot run it: " + u.run.Error(), u.run.Error()
	}
	return fmt.Sprintf("%s, %d blocks of width %d, context %d. This program runs it.", about, u.config.Blocks, u.config.EmbeddingLength, u.config.ContextLength), ""
}

var modelsCommand = command{
	name:    "models",
	summary: "list the models that can be had, and those that are here",
	help: `bitnet models [--json]

Lists the models that have a short name, and everything that was pulled: whether
it is here, its size where that is known, its licence as its publishers state it
and where it comes from.

  --json            print one JSON object: folder, models, unfinished
`,
	run: listModels,
}

// listed is one model in the list.
type listed struct {
	Name    string `json:"name"`
	Here    bool   `json:"here"`
	Bytes   int64  `json:"bytes,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Licence string `json:"licence,omitempty"`
	Source  string `json:"source"`
	Path    string `json:"path,omitempty"`
}

func listModels(c *call) error {
	flags := c.newFlags()
	asJSON := flags.Bool("json", false, "")
	if err := parseAlone(flags, c.args); err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	here, err := s.List()
	if err != nil {
		return err
	}
	unfinished, err := s.Unfinished()
	if err != nil {
		return err
	}
	all := []listed{}
	byName := make(map[string]int)
	for _, m := range hub.Models() {
		byName[m.Name] = len(all)
		all = append(all, listed{Name: m.Name, Bytes: m.Bytes, SHA256: m.SHA256, Licence: m.Licence, Source: "hf:" + m.Repository + "/" + m.File})
	}
	for _, e := range here {
		i, ok := byName[e.Name]
		if !ok {
			i = len(all)
			all = append(all, listed{Name: e.Name, Source: e.Source})
		}
		all[i].Here, all[i].Bytes, all[i].SHA256, all[i].Path = true, e.Bytes, e.SHA256, e.Path
	}
	if *asJSON {
		if unfinished == nil {
			unfinished = []hub.Part{}
		}
		return encode(c, struct {
			Folder     string     `json:"folder"`
			Models     []listed   `json:"models"`
			Unfinished []hub.Part `json:"unfinished"`
		}{s.Folder, all, unfinished})
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NAME\tHERE\tSIZE\tLICENCE\tSOURCE\n")
	for _, m := range all {
		yes, size, licence, source := "-", "?", m.Licence, m.Source
		if m.Here {
			yes = "yes"
		}
		if m.Bytes > 0 {
			size = hub.FormatBytes(m.Bytes)
		}
		if licence == "" {
			licence = "?"
		}
		if source == m.Name {
			source = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", visible(m.Name), yes, size, licence, visible(source))
	}
	w.Flush()
	for _, p := range unfinished {
		of := ""
		if p.Total > 0 {
			of = " of " + hub.FormatBytes(p.Total)
		}
		fmt.Fprintf(&b, "\nunfinished: %s, %s%s", visible(p.Name), hub.FormatBytes(p.Bytes), of)
	}
	fmt.Fprintf(&b, "\nin %s\n", visible(s.Folder))
	return writeOut(c.stdout, b.String())
}

func encode(c *call, value any) error {
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing standard output: %w", err)
	}
	return nil
}

var removeCommand = command{
	name:    "rm",
	summary: "remove a model that was pulled",
	help: `bitnet rm NAME

Removes a model from this machine, or what there is of its unfinished download,
and tells how much room that makes: none where another name stands for the same
file, or where the file belongs to Hugging Face's own programs, which keep it.
` + namesHelp,
	run: remove,
}

func remove(c *call) error {
	names, err := parse(c.newFlags(), c.args)
	if err != nil {
		return err
	}
	r, s, err := c.reference(names)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	freed, err := s.Remove(ctx, r)
	if i := interrupted(ctx); i != nil && err != nil {
		return i
	}
	if err != nil {
		return err
	}
	if freed == 0 {
		c.infof("removed %s; its file stays, since others use it", r.Name)
		return nil
	}
	c.infof("removed %s: %s are free", r.Name, hub.FormatBytes(freed))
	return nil
}

var verifyCommand = command{
	name:    "verify",
	summary: "check the SHA-256 of a model or file",
	help: `bitnet verify NAME|FILE

Reads a model that was pulled, or any file, adds up its SHA-256 and prints it.
It fails where that is not what it was when the model came, or not the one that
stands behind #sha256=. For a file it says which of the models that bitnet
models lists it is, if their SHA-256 is known.
` + namesHelp,
	run: verify,
}

func verify(c *call) error {
	names, err := parse(c.newFlags(), c.args)
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return usagef("%d names: verify checks one at a time", len(names))
	}
	ctx, stop := interruptible()
	defer stop()
	var sum, what string
	if info, err := os.Stat(names[0]); err == nil && !info.IsDir() {
		if sum, _, err = hub.Sum(ctx, names[0]); err != nil {
			if i := interrupted(ctx); i != nil {
				return i
			}
			return describeOpen(names[0], err)
		}
		what = "no model that bitnet models knows the SHA-256 of"
		for _, m := range hub.Models() {
			if m.SHA256 == sum {
				what = m.Name
			}
		}
	} else {
		if !hub.IsReference(names[0]) {
			return fmt.Errorf("%s: there is no such file, and no model of that name", names[0])
		}
		r, s, err := c.reference(names)
		if err != nil {
			return err
		}
		e, err := s.Verify(ctx, r)
		if i := interrupted(ctx); i != nil && err != nil {
			return i
		}
		if errors.As(err, new(*hub.MismatchError)) {
			return fmt.Errorf("%s is damaged: %w: bitnet rm %s and bitnet pull %s bring a whole one", r.Name, err, r.Name, r.Name)
		}
		if err != nil {
			return err
		}
		sum, what = e.SHA256, "whole, as it came"
	}
	if err := writeOut(c.stdout, sum+"  "+names[0]+"\n"); err != nil {
		return err
	}
	c.infof("%s: %s", names[0], what)
	return nil
}
