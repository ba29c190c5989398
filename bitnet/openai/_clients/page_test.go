package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// newBrowser starts a browser, in which each test has tabs of its own.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(command(t, "chromium-headless-shell", "google-chrome", "chromium")))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which it does not have for root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A tab shows the page of a server, and remembers nothing of other tabs.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the browser complained about
}

// open opens a tab and waits until the page knows the models. What the browser
// complains about fails the test, unless it contains what is expected.
func open(t *testing.T, browser context.Context, server string, expected ...string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // with a context whose end is the tab's
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range b.complaints() {
			if !slices.ContainsFunc(expected, func(part string) bool { return strings.Contains(problem, part) }) {
				t.Errorf("the browser complains: %s", problem)
			}
		}
	})
	b.do(chromedp.EmulateViewport(1200, 800), chromedp.Navigate(server+"/"))
	b.until(`document.querySelectorAll("#model option").length > 0 || document.querySelector("#status").textContent !== ""`)
	return b
}

func (b *tab) hear(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = fmt.Sprintf("%+v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			problem = fmt.Sprintf("console: %s", e.Args[0].Value)
		}
	case *log.EventEntryAdded: // violations of the policy, too
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			problem = e.Entry.Text + " " + e.Entry.URL
		}
	case *page.EventJavascriptDialogOpening:
		if e.Type != page.DialogTypeConfirm {
			problem = "dialog: " + e.Message
		}
		go chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	}
	if problem != "" {
		b.mu.Lock()
		b.problems = append(b.problems, problem)
		b.mu.Unlock()
	}
}

func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.problems)
}

// run has the browser do something.
func run[T any](b *tab, action chromedp.Action[T]) (value T) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.shoot("failed")
		b.t.Fatal(err)
	}
	return value
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, action := range actions {
		run(b, action)
	}
}

// evaluate returns the value of an expression.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// perform runs a statement.
func (b *tab) perform(statement string) {
	b.t.Helper()
	evaluate[chromedp.Void](b, statement)
}

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !evaluate[bool](b, expression); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.shoot("failed")
			b.t.Fatalf("it never came to be that %s", expression)
		}
	}
}

// is checks the value of an expression.
func is[T comparable](b *tab, expression string, want T) {
	b.t.Helper()
	if got := evaluate[T](b, expression); got != want {
		b.t.Errorf("%s is %v, not %v", expression, got, want)
	}
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// press presses keys, as a keyboard does: what the page prevents when a key goes
// down does not become text.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, r := range strings.Join(keys, "") {
		b.key(r, 0)
	}
}

func (b *tab) key(r rune, modifiers int64) {
	b.t.Helper()
	key := kb.Keys[r]
	if key == nil {
		b.t.Fatalf("no key has %q", r)
	}
	down := input.DispatchKeyEventParams{
		Type: input.DispatchKeyEventTypeRawKeyDown, Key: key.Key, Code: key.Code, Modifiers: modifiers,
		WindowsVirtualKeyCode: key.Windows, NativeVirtualKeyCode: key.Native,
	}
	if key.Print {
		down.Type, down.Text, down.UnmodifiedText = input.DispatchKeyEventTypeKeyDown, key.Text, key.Unmodified
	}
	up := down
	up.Type, up.Text, up.UnmodifiedText = input.DispatchKeyEventTypeKeyUp, "", ""
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, down); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, up)
		return err
	}))
}

// write writes a text into a field, and presses Enter.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(selector)))
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
	b.press(kb.Enter)
}

// ask asks a question and waits for the answer.
func (b *tab) ask(question string) {
	b.t.Helper()
	b.write("#text", question)
	b.answered()
}

func (b *tab) answered() {
	b.t.Helper()
	b.until(`!document.querySelector(".busy") && !!document.querySelector(".turn.assistant:last-child .meta button")`)
}

// last is the last answer.
const last = `document.querySelector(".turn.assistant:last-child .said").textContent`

// choose chooses a model.
func (b *tab) choose(model string) {
	b.t.Helper()
	b.until(`!!document.querySelector("#model option")`)
	b.perform(fmt.Sprintf(`model.value = %q, model.dispatchEvent(new Event("change"))`, model))
}

// set fills in a field of the settings, which are open.
func (b *tab) set(name, value string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS("#s-"+name), value))
}

// shoot keeps a picture of what is shown.
func (b *tab) shoot(name string) {
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("no picture: %v", err)
		return
	}
	file := filepath.Join(b.t.ArtifactDir(), name+".png")
	writeFile(b.t, file, string(picture))
}

// scheme says which colours the user prefers.
func (b *tab) scheme(name string) {
	b.t.Helper()
	feature := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: name}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{feature}})
		return err
	}))
}

func (b *tab) phone() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(390, 780, chromedp.EmulateMobile, chromedp.EmulateTouch))
}

// fits checks that nothing is beside what is shown.
func (b *tab) fits() {
	b.t.Helper()
	is(b, `document.documentElement.scrollWidth <= innerWidth && document.querySelector("#talk").scrollWidth <= document.querySelector("#talk").clientWidth`, true)
}

// accessible has axe look for what keeps people out.
func (b *tab) accessible(what string) {
	b.t.Helper()
	source, err := os.ReadFile("npm/node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal("axe is not installed: .ci/run clients installs it")
	}
	b.perform(string(source))
	type finding struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML, FailureSummary string }
	}
	result := evaluate[struct {
		Violations []finding
		Passes     []struct{ ID string }
	}](b, `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`)
	if len(result.Passes) < 10 {
		b.t.Errorf("%s: axe looked at %d rules only", what, len(result.Passes))
	}
	for _, f := range result.Violations {
		for _, node := range f.Nodes {
			b.t.Errorf("%s: %s (%s): %s\n%s\n%s", what, f.ID, f.Impact, f.Help, node.HTML, node.FailureSummary)
		}
	}
}

func TestPage(t *testing.T) {
	s := start(t, "", "--drain-delay", "0")
	browser := newBrowser(t)

	t.Run("conversation", func(t *testing.T) {
		b := open(t, browser, s.url)
		b.ask("What is 17+25?")
		is(b, last, "42")
		b.ask("What is 9+8?")
		is(b, last, "17")
		is(b, `document.querySelectorAll(".turn").length`, 4)
		is(b, `/3 tokens · .* tokens\/s · first after .* s · .* prompt tokens known · seed \d+/.test(document.querySelector(".turn:last-child .facts").textContent)`, true)
		is(b, `document.querySelector("#history .open").textContent`, "What is 17+25?")
		b.shoot("desktop")
		// Another one, a reload, and the first is there again.
		b.click("#new")
		b.ask("What is 30+4?")
		is(b, last, "34")
		b.do(chromedp.Reload())
		b.until(`document.querySelectorAll("#history .open").length === 2`)
		is(b, `document.querySelectorAll(".turn").length`, 0)
		b.click("#history li:last-child .open")
		is(b, `[...document.querySelectorAll(".turn .said")].map(e => e.textContent).join("|")`, "What is 17+25?|42|What is 9+8?|17")
		b.ask("What is 1+1?")
		is(b, last, "2")
		b.click("#history li:last-child button.small")
		is(b, `document.querySelectorAll("#history li").length`, 1)
		is(b, `document.querySelectorAll(".turn").length`, 0)
		is(b, `localStorage.getItem("bitnet.conversations").includes("17+25")`, false)
		b.click("#forget")
		b.until(`document.querySelectorAll("#history li").length === 0`)
		is(b, `localStorage.getItem("bitnet.conversations")`, "[]")
	})

	t.Run("stream and stop", func(t *testing.T) {
		b := open(t, browser, s.url)
		b.choose(endless)
		b.click("#open-settings")
		b.set("temperature", "0")
		b.click("#settings button.main")
		for _, stop := range []func(){func() { b.click("#stop") }, func() { b.press(kb.Escape) }} {
			b.write("#text", "Go on.")
			b.until(`(document.querySelector(".turn.busy .said")?.textContent.length ?? 0) > 5`)
			before := evaluate[int](b, last+".length")
			b.until(fmt.Sprintf("%s.length > %d", last, before)) // it comes bit by bit
			s.running(1)
			stop()
			b.answered()
			s.idle()
			is(b, `document.querySelector(".turn:last-child .facts").textContent.includes("stopped")`, true)
			is(b, `document.querySelector("#send").checkVisibility() && !document.querySelector("#stop").checkVisibility()`, true)
		}
		is(b, `document.querySelectorAll(".turn").length`, 4)
		// The model is still the same after a reload; leaving the page ends an answer.
		b.write("#text", "Go on.")
		s.running(1)
		b.do(chromedp.Reload())
		s.idle()
		b.until(fmt.Sprintf(`model.value === %q`, endless))
	})

	t.Run("retry and edit", func(t *testing.T) {
		b := open(t, browser, s.url)
		b.ask("What is 17+25?")
		seed := `document.querySelector(".turn:last-child .facts").textContent.match(/seed (\d+)/)[1]`
		before := evaluate[string](b, seed)
		b.perform(`[...document.querySelectorAll(".turn:last-child button")].find(b => b.textContent === "Retry").click()`)
		b.answered()
		is(b, last, "42")
		if evaluate[string](b, seed) == before {
			t.Error("it is tried again with the same seed")
		}
		b.perform(`[...document.querySelectorAll(".turn.user button")].find(b => b.textContent === "Edit").click()`)
		is(b, `document.activeElement.value`, "What is 17+25?")
		b.perform(`document.activeElement.select()`)
		b.write(".turn.user textarea", "What is 9+8?")
		b.answered()
		is(b, `[...document.querySelectorAll(".turn .said")].map(e => e.textContent).join("|")`, "What is 9+8?|17")
	})

	t.Run("settings and tokens", func(t *testing.T) {
		b := open(t, browser, s.url)
		b.perform(`window.bodies = [], window.ask = fetch, window.fetch = (url, how) => { if (how?.body) bodies.push(JSON.parse(how.body)); return ask(url, how); }`)
		b.click("#open-settings")
		b.set("system", "Be short.")
		b.set("temperature", "0")
		b.set("seed", "7")
		b.set("top_k", "40")
		b.set("max_tokens", "20")
		b.set("stop", "!")
		b.click("#s-logprobs")
		b.shoot("settings")
		b.click("#settings button.main")
		b.ask("What is 17+25?")
		is(b, last, "42")
		body := evaluate[map[string]any](b, `bodies.at(-1)`)
		for name, want := range map[string]string{
			"messages": `[{"content":"Be short.","role":"system"},{"content":"What is 17+25?","role":"user"}]`,
			"seed":     "7", "temperature": "0", "top_k": "40", "max_tokens": "20", "stop": `["!"]`, "logprobs": "true", "top_logprobs": "5", "top_p": "null",
		} {
			if got, err := json.Marshal(body[name]); err != nil || string(got) != want {
				t.Errorf("%s is sent as %s, not %s", name, got, want)
			}
		}
		is(b, `[...document.querySelectorAll(".token")].map(e => e.textContent).join("|")`, "4|2")
		is(b, `document.querySelectorAll(".token.p5").length`, 2)
		b.click(".token")
		is(b, `document.querySelectorAll("#choices tr").length`, 5)
		is(b, `/^4(9\d\.\d|100\.0) %$/.test(document.querySelector("#choices tr.chosen").textContent)`, true)
		b.shoot("tokens")
		b.press(kb.ArrowRight)
		is(b, `document.querySelector("#choices tr.chosen td").textContent`, "2")
		b.press(kb.Escape)
		is(b, `document.querySelector("#choices").checkVisibility()`, false)
		// All of it is kept, and the tokens with the conversation.
		b.do(chromedp.Reload())
		b.until(`document.querySelectorAll("#history .open").length === 1`)
		b.click("#history .open")
		is(b, `document.querySelectorAll(".token").length`, 2)
		b.click("#open-settings")
		is(b, `["system", "temperature", "seed", "top_k", "max_tokens", "stop", "top_p"].map(n => document.querySelector("#s-" + n).value).join("|")`, "Be short.|0|7|40|20|!|")
		is(b, `document.querySelector("#s-logprobs").checked`, true)
	})

	t.Run("text stays text", func(t *testing.T) {
		evil := `<img src=x onerror=alert(1)><b>bold</b><script>alert(2)</script><style>*{display:none}</style>`
		b := open(t, browser, sayingAll(t, s, evil))
		b.until(fmt.Sprintf(`document.querySelector("#model option").textContent === %q`, evil))
		b.click("#open-settings")
		b.click("#s-logprobs")
		b.click("#settings button.main")
		b.ask(evil)
		is(b, `document.querySelector(".turn.user .said").textContent`, evil)
		is(b, last, evil)
		is(b, `document.querySelector(".turn.assistant h2").textContent`, evil)
		is(b, `document.querySelector("#history .open").textContent`, evil[:60])
		is(b, `document.querySelector(".turn.assistant details div").textContent`, evil)
		b.click(".token")
		is(b, `JSON.parse('"' + document.querySelector("#choices td").textContent + '"')`, evil)
		b.ask("refuse")
		is(b, `document.querySelector(".turn:last-child .problem").textContent`, evil)
		b.do(chromedp.Reload())
		b.until(`document.querySelectorAll("#history .open").length === 1`)
		b.click("#history .open")
		is(b, `document.querySelectorAll("body img, body b, body style, #talk script, nav script").length`, 0)
		is(b, `document.querySelectorAll("script").length`, 1)
	})

	t.Run("policy", func(t *testing.T) {
		// Even if text became HTML: the browser would not run it. That the test hears
		// of it shows that the others would.
		b := open(t, browser, s.url, "Content Security Policy")
		b.perform(`(() => { const e = document.createElement("div"); e.innerHTML = "<img src=x onerror='window.broken = 1'>"; document.body.append(e); const s = document.createElement("script"); s.textContent = "window.broken = 1"; document.body.append(s); })()`)
		eventually(t, "the browser complains", func() bool { return len(b.complaints()) >= 2 })
		is(b, `window.broken === undefined`, true)
		is(b, `fetch("http://127.0.0.2/").then(() => "sent", () => "refused")`, "refused")
	})

	t.Run("keyboard", func(t *testing.T) {
		b := open(t, browser, s.url)
		is(b, `document.activeElement.id`, "text")
		b.press("What is 17+25?", kb.Enter)
		b.answered()
		is(b, last, "42")
		is(b, `document.activeElement.id`, "text")
		// Tab comes by all there is, and shows where it is.
		seen := map[string]bool{}
		for range 40 {
			b.press(kb.Tab)
			name := evaluate[string](b, `(e => e === document.body ? "" : (e.id || e.getAttribute("aria-label") || e.textContent) + (getComputedStyle(e).outlineStyle === "none" ? " without outline" : ""))(document.activeElement)`)
			if seen[name] && name == "text" {
				break
			}
			seen[name] = true
		}
		for _, name := range []string{"new", "What is 17+25?", "Delete “What is 17+25?”", "forget", "model", "open-settings", "talk", "Copy", "Edit", "Retry", "text", "send"} {
			if !seen[name] {
				t.Errorf("Tab does not come to %s: %v", name, seen)
			}
		}
		// Settings, by keys alone.
		for evaluate[string](b, `document.activeElement.id`) != "open-settings" {
			b.press(kb.Tab)
		}
		b.press(kb.Enter)
		b.until(`document.querySelector("#settings").open && document.querySelector("#settings").contains(document.activeElement)`)
		for evaluate[string](b, `document.activeElement.id`) != "s-logprobs" {
			b.press(kb.Tab)
		}
		b.press(" ", kb.Enter)
		b.until(`!document.querySelector("#settings").open`)
		is(b, `document.activeElement.id`, "open-settings")
		b.press("/")
		is(b, `document.activeElement.id`, "text")
		is(b, `text.value`, "")
		// The last message, again.
		b.press(kb.ArrowUp)
		is(b, `document.activeElement.getAttribute("aria-label")`, "Edit your message")
		b.press(kb.Escape)
		is(b, `document.activeElement.id`, "text")
		b.press(kb.ArrowUp, kb.End, kb.Backspace, kb.Backspace, "6?", kb.Enter)
		b.answered()
		is(b, `document.querySelector(".turn.user .said").textContent`, "What is 17+26?")
		is(b, last, "43")
		b.press("What is 9+8?", kb.Enter)
		b.answered()
		is(b, last, "17")
		for evaluate[string](b, `document.activeElement.id`) != "talk" {
			b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(8))) // Shift
		}
		b.press(kb.ArrowRight)
		is(b, `document.activeElement.classList.contains("token") && document.querySelector("#choices").checkVisibility()`, true)
	})

	t.Run("phone", func(t *testing.T) {
		b := open(t, browser, s.url)
		b.phone()
		b.fits()
		b.ask("What is 17+25?")
		is(b, last, "42")
		b.ask(strings.Repeat("1234567890", 12))
		b.fits()
		b.shoot("phone")
		is(b, `document.querySelector("#side").checkVisibility()`, false)
		b.click("#menu")
		is(b, `document.querySelector("#side").checkVisibility() && menu.getAttribute("aria-expanded") === "true"`, true)
		b.shoot("phone-menu")
		b.click("#history .open")
		is(b, `document.querySelector("#side").checkVisibility()`, false)
		b.click("#open-settings")
		b.shoot("phone-settings")
		is(b, `document.querySelector("#settings").getBoundingClientRect().width <= innerWidth`, true)
		b.click("#settings button.main")
		b.do(chromedp.EmulateViewport(320, 568, chromedp.EmulateMobile))
		b.fits()
		is(b, `send.getBoundingClientRect().right <= innerWidth && send.getBoundingClientRect().bottom <= innerHeight`, true)
		// A page that is shown at twice the size has room, too.
		b.do(chromedp.EmulateViewport(640, 400, chromedp.EmulateScale(2)))
		b.fits()
	})

	t.Run("accessible", func(t *testing.T) {
		b := open(t, browser, s.url, "status of 404") // asked for below
		b.accessible("empty")
		b.click("#open-settings")
		b.click("#s-logprobs")
		b.click("#settings button.main")
		b.ask("What is 17+25?")
		b.ask("Count on from 7 8 9 10")
		b.perform(`const model = document.querySelector("#model"); model.options[0].value = "gone", model.value = "gone"`)
		b.ask("Who are you?")
		is(b, `!!document.querySelector(".problem:not(.hidden)")`, true)
		b.choose(sums)
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			for _, size := range []string{"desktop", "phone"} {
				b.do(chromedp.EmulateViewport(1200, 800))
				if size == "phone" {
					b.phone()
				}
				where := scheme + "-" + size
				// Each shade, whatever the model thought of its tokens.
				b.perform(`document.querySelectorAll(".token").forEach((e, i) => { e.className = "token p" + (i % 5 + 1); })`)
				b.accessible(where)
				b.shoot(where)
				b.click("#open-settings")
				b.accessible(where + " settings")
				b.press(kb.Escape)
				// What is scrolled hides what is shown beside it, a frame later.
				b.perform(`document.querySelector(".token").scrollIntoView(), new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))`)
				b.perform(`document.querySelector(".token").click()`)
				is(b, `document.querySelector("#choices").checkVisibility()`, true)
				b.accessible(where + " choices")
				b.shoot(where + "-choices")
				b.press(kb.Escape)
				if size == "phone" {
					b.click("#menu")
					b.accessible(where + " menu")
					b.press(kb.Escape)
				}
				b.perform(`[...document.querySelectorAll(".turn.user button")].find(b => b.textContent === "Edit").click()`)
				b.accessible(where + " edit")
				b.perform(`[...document.querySelectorAll(".turn.user button")].find(b => b.textContent === "Cancel").click()`)
			}
		}
	})
}

// TestPageRefused has a server that is full, and one that wants a key.
func TestPageRefused(t *testing.T) {
	browser := newBrowser(t)
	t.Run("full", func(t *testing.T) {
		s := start(t, "", "--drain-delay", "0", "--parallel", "1", "--queue", "0")
		free := s.occupy()
		b := open(t, browser, s.url, "status of 429")
		b.ask("What is 17+25?")
		is(b, `document.querySelector(".turn:last-child .problem").textContent`, "too many requests wait already: try again later (in 1 s)")
		free()
		s.idle()
		b.perform(`[...document.querySelectorAll(".turn:last-child button")].find(b => b.textContent === "Retry").click()`)
		b.answered()
		is(b, last, "42")
		is(b, `document.querySelectorAll(".turn").length`, 2)
	})
	t.Run("key", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "keys")
		writeFile(t, file, "sesame\n")
		s := launch(t, "", "--drain-delay", "0", "--api-key-file", file)
		t.Cleanup(s.stop)
		b := open(t, browser, s.url, "status of 401")
		b.until(`document.querySelector("#status").textContent.includes("Enter the key in the settings.")`)
		b.click("#open-settings")
		b.do(chromedp.SendKeys(chromedp.CSS("#s-key"), "sesame"))
		b.click("#settings button.main")
		b.until(`document.querySelectorAll("#model option").length === 2`)
		b.ask("What is 17+25?")
		is(b, last, "42")
		is(b, `JSON.stringify(localStorage).includes("sesame")`, false)
	})
	t.Run("gone", func(t *testing.T) {
		s := launch(t, "", "--drain-delay", "0")
		b := open(t, browser, s.url, "ERR_")
		s.stop()
		b.ask("What is 17+25?")
		is(b, `document.querySelector(".turn:last-child .problem").textContent`, "The server cannot be reached.")
	})
}

// sayingAll returns a server with the page, all of whose models and answers are one
// text.
func sayingAll(t *testing.T, s *server, text string) string {
	t.Helper()
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	mux.HandleFunc("/v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data":[{"id":%s}]}`, quoted) })
	mux.HandleFunc("/v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Messages []struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		if request.Messages[len(request.Messages)-1].Content == "refuse" {
			fmt.Fprintf(w, "data: {\"error\":{\"message\":%s}}\n\n", quoted)
			return
		}
		fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"reasoning_content\":%[1]s}}]}\n\n"+
			"data: {\"choices\":[{\"delta\":{\"content\":%[1]s},\"logprobs\":{\"content\":[{\"token\":%[1]s,\"logprob\":-0.1,\"top_logprobs\":[{\"token\":%[1]s,\"logprob\":-0.1}]}]},\"finish_reason\":\"stop\"}]}\n\n"+
			"data: [DONE]\n\n", quoted)
	})
	proxy := httptest.NewServer(mux)
	t.Cleanup(proxy.Close)
	return proxy.URL
}
