package output

import (
	"context"
	"os"
	"os/signal"
)

// holdSignals keeps signals from ending the process until the function that it
// returns is called.
func holdSignals() (release func()) {
	held := make(chan os.Signal, 1)
	signal.Notify(held, heeded()...)
	return func() { signal.Stop(held) }
}

// NotifyContext returns a context that a signal ends which would have ended the
// process.
func NotifyContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, heeded()...)
}
