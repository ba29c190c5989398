package openai

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
)

// page is a conversation with the server, for a browser: one file that loads
// nothing else.
//
//go:embed page.html
var page []byte

// pagePolicy is the page's content security policy: its own style and script, by
// their sums, and requests to the server that it comes from. So not even a mistake
// in the page could run what a model writes.
var pagePolicy = sync.OnceValue(func() string {
	return "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; style-src " + sumOf("style") + "; script-src " + sumOf("script")
})

// sumOf returns the source expression for what the page has between the tags of
// that name (Content Security Policy Level 3, section 2.3.1).
func sumOf(tag string) string {
	_, rest, _ := bytes.Cut(page, []byte("<"+tag+">"))
	text, _, _ := bytes.Cut(rest, []byte("</"+tag+">"))
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// root answers a browser with the page, and whoever else asks with a line that
// says that somebody is there.
func (c *call) root() {
	header := c.w.Header()
	header.Add("Vary", "Accept")
	if !strings.Contains(c.r.Header.Get("Accept"), "text/html") {
		c.text("gobitnet is running\n")
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", pagePolicy())
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	c.writeHeader(http.StatusOK)
	_, _ = c.w.Write(page)
}
