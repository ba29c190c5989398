//go:build unix

package threads

import (
	"syscall"
	"testing"
	"time"
)

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestIdle leaves a pool alone that has just been busy: its workers fall asleep
// and use no processor time.
func TestIdle(t *testing.T) {
	p := New(4)
	defer p.Close()
	for range 100 {
		p.Run(16, func(int, int) {})
	}
	time.Sleep(10 * awake)
	least := time.Hour
	for range 3 { // other work of the runtime may fall into one of them
		before := processorTime(t)
		time.Sleep(200 * time.Millisecond)
		least = min(least, processorTime(t)-before)
	}
	if least > 5*time.Millisecond {
		t.Errorf("an idle pool used %v of processor time in 200 ms", least)
	}
}
