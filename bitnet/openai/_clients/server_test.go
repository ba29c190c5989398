package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/gobitnet/gobitnet/bitnet/synthetic"
)

// What the servers serve: the built-in model, which knows sums, and a made-up one,
// which takes long and does not end by itself.
const (
	sums    = "arithmetic"
	endless = "made-up/endless"
)

var (
	program     string // bitnet
	endlessFile string
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "clients")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "bitnet")
		build := exec.Command("go", "build", "-o", program, "./cmd/bitnet")
		build.Dir = "../../.."
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("go build: %v\n%s", err, out))
		}
		endlessFile = filepath.Join(dir, "endless.gguf")
		file, err := os.Create(endlessFile)
		if err != nil {
			panic(err)
		}
		shape := synthetic.Shape{Name: "endless", Embedding: 512, FeedForward: 1024, Blocks: 8, Heads: 8, KVHeads: 2, Context: 8192, Vocabulary: 16384}
		if err := synthetic.Write(file, shape, 1); err != nil {
			panic(err)
		}
		if err := file.Close(); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// A server is a process of bitnet serve.
type server struct {
	t       testing.TB
	url     string
	address string
	process *exec.Cmd
	log     *logged
	exited  chan error
}

// start starts a server and waits until it is ready. The address may be "" for any.
// In the end the server must have nothing running, and end well.
func start(t testing.TB, address string, flags ...string) *server {
	t.Helper()
	s := launch(t, address, flags...)
	t.Cleanup(func() {
		s.idle()
		s.stop()
	})
	return s
}

// launch is start without an end.
func launch(t testing.TB, address string, flags ...string) *server {
	t.Helper()
	if address == "" {
		address = freeAddress(t)
	}
	s := &server{t: t, url: "http://" + address, address: address, log: &logged{}, exited: make(chan error, 1)}
	s.process = exec.Command(program, append([]string{"serve", "--addr", address, "--model", "../../arithmetic/arithmetic.gguf", "--model", endless + "=" + endlessFile}, flags...)...)
	s.process.Env = append(os.Environ(), "BITNET_MODEL=", "BITNET_THREADS=", "BITNET_LOG=")
	s.process.Stderr = s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.exited <- s.process.Wait() }()
	eventually(t, "the server is ready", func() bool {
		select {
		case err := <-s.exited:
			t.Fatalf("the server ended: %v\n%s", err, s.log)
		default:
		}
		response, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return s
}

// stop ends a server, by SIGTERM, as whoever runs it would.
func (s *server) stop() {
	s.t.Helper()
	s.process.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("the server ended with %v", err)
		}
	case <-time.After(time.Minute):
		s.process.Process.Kill()
		s.t.Errorf("the server does not end")
	}
	if text := s.log.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "panic") {
		s.t.Errorf("the server's log:\n%s", text)
	}
}

// gauges returns the metrics that have one value.
func (s *server) gauges() map[string]float64 {
	s.t.Helper()
	response, err := http.Get(s.url + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]float64{}
	for name, family := range families {
		if m := family.Metric[0]; len(family.Metric) == 1 && m.Gauge != nil {
			all[name] = m.Gauge.GetValue()
		}
	}
	return all
}

// idle waits until nothing runs and nothing waits any more.
func (s *server) idle() {
	s.t.Helper()
	eventually(s.t, "nothing runs", func() bool {
		g := s.gauges()
		running, known := g["bitnet_requests_running"]
		return known && running == 0 && g["bitnet_requests_waiting"] == 0 && g["bitnet_kv_cache_usage_ratio"] == 0
	})
}

// running waits until n requests are computed.
func (s *server) running(n float64) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%v requests run", n), func() bool { return s.gauges()["bitnet_requests_running"] == n })
}

// occupy has the server compute an answer that does not end, until free is called.
func (s *server) occupy() (free func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "POST", s.url+"/v1/chat/completions", strings.NewReader(endlessRequest))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("status %d, %v", response.StatusCode, err)
	}
	go io.Copy(io.Discard, response.Body)
	return cancel
}

const endlessRequest = `{"model":"` + endless + `","messages":[{"role":"user","content":"Go on."}],"temperature":0,"stream":true}`

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// freeAddress returns an address at which nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// command returns the path of a program that a test cannot do without.
func command(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		// Debian has servers where only root looks.
		for _, path := range []string{name, "/usr/sbin/" + name} {
			if found, err := exec.LookPath(path); err == nil {
				return found
			}
		}
	}
	t.Fatalf("%s is not installed: .ci/run clients installs it", names[0])
	return ""
}

// logged is a log that is written and read at the same time.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
