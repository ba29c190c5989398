package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// lock takes the lock that a file stands for, which it creates where there is
// none. It waits while another process, or another call, has it, and calls
// waiting when it begins to. The caller calls release when done. A lock ends
// with the process that has it, however that ends.
func lock(ctx context.Context, path string, waiting func()) (release func(), err error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if errors.Is(err, fs.ErrPermission) {
			f, err = os.Open(path) // another user's
		}
		if err != nil {
			return nil, err
		}
		got, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		if got {
			// Whoever had it before may have removed the file meanwhile.
			if mine, err := f.Stat(); err == nil {
				if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
					return func() { unlock(f, path) }, nil
				}
			}
			f.Close()
			continue
		}
		f.Close()
		if waiting != nil {
			waiting()
			waiting = nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// sleep waits, but not beyond the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
