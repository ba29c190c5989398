package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/gobitnet/gobitnet/cmd/perfsmoke/internal/receipt"
)

const commentSynopsis = "comment [--baseline FILE] RECEIPT"

// commentMarker begins every comment, unseen. By it the workflow finds its
// earlier comment, which it updates.
const commentMarker = "<!-- perfsmoke -->"

// commentCommand prints a receipt as the Markdown of a comment on a pull
// request.
func commentCommand(c *console, args []string) int {
	flags := newFlags("comment")
	baseline := flags.String("baseline", "", "compare with the receipt in this `file`")
	rest, status, ok := c.parse(flags, args, commentSynopsis)
	if !ok {
		return status
	}
	if len(rest) != 1 {
		return c.usageError("comment takes one receipt: perfsmoke %s", commentSynopsis)
	}
	r, err := receipt.Read(rest[0])
	if err != nil {
		return c.fail("%s: %v", rest[0], err)
	}
	c.doubt(rest[0], r)
	var old *receipt.Receipt
	if *baseline != "" {
		if old, err = receipt.Read(*baseline); err != nil {
			// Such as one of another version of the schema, which is no reason
			// to leave the run unsaid.
			c.warn("--baseline %s: %v", *baseline, err)
			old = nil
		} else {
			c.doubt(*baseline, old)
		}
	}
	if _, err := io.WriteString(c.stdout, comment(r, old)); err != nil && !errors.Is(err, syscall.EPIPE) {
		return c.fail("comment: %v", err)
	}
	return exitOK
}

// comment returns the Markdown of a comment on a pull request; baseline may be
// nil.
func comment(r, baseline *receipt.Receipt) string {
	return commentMarker + "\n" + receiptMarkdown(r, baseline)
}

// unconfirmed is what no check of a receipt can tell.
const unconfirmed = "Times, processor and commit are what the program said; nothing confirms them."

// receiptMarkdown shows a receipt, next to a baseline where there is one.
func receiptMarkdown(r, baseline *receipt.Receipt) string {
	var b strings.Builder
	failed := r.Status != receipt.StatusOK
	if failed {
		b.WriteString("### Perf smoke: the run failed\n\n")
		if r.Failure != nil {
			fmt.Fprintf(&b, "%s in phase %s: %s\n\n", markdownCode(r.Failure.Kind), markdownCode(r.Failure.Phase), markdownCode(r.Failure.Message))
		}
	} else {
		fmt.Fprintf(&b, "### Perf smoke: %s\n\n", speedText(r))
	}
	if problem := doubt(r); problem != "" && baseline == nil { // otherwise it is said below
		fmt.Fprintf(&b, "**The receipt does not verify and is not to be believed**: %s.\n\n", markdownCode(problem))
	}
	if baseline != nil {
		fmt.Fprintf(&b, "Old is the baseline, %s of %s.\n", markdownCode(cmp.Or(shortHash(baseline.Environment.Commit), "an unknown commit")), markdownCode(baseline.Timestamp))
		c := compareReceipts(baseline, r)
		c.newFail = nil // said above
		b.WriteString(c.markdown())
	} else if !failed {
		b.WriteString("| | | spread |\n|---|--:|--:|\n")
		for _, f := range figures {
			value, repeats := f.values(r)
			if !(value > 0) {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, f.units.format(value), formatSpread(spread(repeats), value))
		}
	}

	b.WriteString("\n<details><summary>What ran</summary>\n\n| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, markdownCode(value))
		}
	}
	row("model", modelName(r))
	row("prompt", r.Prompt)
	row("text", r.Text)
	row("tokens", fmt.Sprintf("%d of %d", r.TokensGenerated, r.TokensRequested))
	row("repeats", fmt.Sprint(len(r.Repeats)))
	row("threads", fmt.Sprint(r.Threads))
	row("sessions", fmt.Sprint(r.Sessions))
	row("processor", r.Processor.Name)
	row("system", r.Environment.OS+"/"+r.Environment.Architecture+", "+r.Environment.GoVersion)
	row("kernels", strings.Join(r.Kernels, " "))
	row("logits", r.LogitsSHA256)
	commit := r.Environment.Commit
	if r.Environment.Modified {
		commit += " (modified)"
	}
	row("commit", commit)
	b.WriteString("\n" + unconfirmed + "\n\n</details>\n")
	return b.String()
}
