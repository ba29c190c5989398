package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/cheggaaa/pb/v3"

	"github.com/gobitnet/gobitnet/bitnet/hub"
)

// A reporter shows how far a file has come.
type reporter interface {
	show(hub.Progress) // called often
	end()
}

// newBar returns a bar where standard error is a terminal, and lines elsewhere.
func (c *call) newBar(name string) reporter {
	switch {
	case c.settings.log < logInfo:
		return nil
	case isTerminal(c.stderr):
		return &bar{w: c.stderr, name: visible(name)}
	}
	return &paced{every: 10 * time.Second, tell: func(p hub.Progress, rate float64) {
		if p.Bytes == 0 {
			return // what else goes on is told anyway
		}
		line := hub.FormatBytes(p.Bytes)
		if p.Total > 0 {
			line += fmt.Sprintf(" of %s (%d%%)", hub.FormatBytes(p.Total), 100*p.Bytes/p.Total)
		}
		line += ", " + hub.FormatBytes(int64(rate)) + "/s"
		if p.Total > 0 && rate > 0 {
			line += fmt.Sprintf(", %v left", time.Duration(float64(p.Total-p.Bytes)/rate*1e9).Round(time.Second))
		}
		c.infof("%s: %s", name, line)
	}}
}

// bar draws a bar, from the first bytes on.
type bar struct {
	w    io.Writer
	name string
	bar  *pb.ProgressBar
}

func (b *bar) show(p hub.Progress) {
	if b.bar == nil {
		if p.Bytes == 0 {
			return
		}
		b.bar = pb.New64(0).SetWriter(b.w).SetTemplateString(
			b.name + ` {{counters .}} {{bar . "[" "=" ">" " " "]"}} {{speed . "%s/s" ""}} {{rtime . "%s left" "" ""}}`)
		b.bar.Set(pb.Bytes, true).Set(pb.SIBytesPrefix, true).Set(pb.CleanOnFinish, true)
		b.bar.SetCurrent(p.Bytes).SetTotal(max(p.Total, 0))
		b.bar.SetMaxWidth(b.bar.Width() - 3) // room for the ^C that a terminal shows
		b.bar.Start()
	}
	b.bar.SetCurrent(p.Bytes).SetTotal(max(p.Total, 0))
}

func (b *bar) end() {
	if b.bar != nil {
		b.bar.Finish()
	}
}

// paced tells now and then how far a file has come, and how many bytes a second
// came since it last did.
type paced struct {
	every time.Duration
	tell  func(p hub.Progress, rate float64)
	last  hub.Progress
	at    time.Time // of last
}

func (l *paced) show(p hub.Progress) {
	now := time.Now()
	if l.at.IsZero() {
		l.last, l.at = p, now
	}
	if since := now.Sub(l.at); since >= l.every {
		l.tell(p, max(float64(p.Bytes-l.last.Bytes)/since.Seconds(), 0))
		l.last, l.at = p, now
	}
}

func (l *paced) end() {}

// A progressEvent is a line of bitnet pull --json while the file comes.
type progressEvent struct {
	Event string  `json:"event"` // "progress"
	Name  string  `json:"name"`
	Bytes int64   `json:"bytes"`
	Total *int64  `json:"total"` // null where it is not known
	Rate  float64 `json:"bytes_per_second"`
}

// newEvents returns a reporter that prints JSON, a line a second.
func (c *call) newEvents(name string) reporter {
	encoder := json.NewEncoder(c.stdout)
	return &paced{every: time.Second, tell: func(p hub.Progress, rate float64) {
		e := progressEvent{Event: "progress", Name: name, Bytes: p.Bytes, Rate: rate}
		if p.Total >= 0 {
			e.Total = &p.Total
		}
		encoder.Encode(e)
	}}
}
