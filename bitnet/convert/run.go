package convert

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
)

// A runner computes the rows of tensors on several goroutines and writes them in
// their order.
type runner struct {
	// fault turns what a goroutine panicked over into an error where that was the
	// reading of a mapped file, and returns nil otherwise. It may be nil.
	fault func(recovered any) error
	// done is called after a chunk of rows has been written, with the rows' place.
	// It may be nil.
	done func(first, last int)
}

// chunkBytes is about how much is computed before it is written.
const chunkBytes = 4 << 20

// rows has every row encoded and written. open returns an encoder for one
// goroutine, which fills all bytes of a row.
func (r *runner) rows(ctx context.Context, w io.Writer, rows, rowBytes int, open func() func(row int, dst []byte) error) error {
	chunk := max(1, min(rows, chunkBytes/max(rowBytes, 1)))
	buffer := make([]byte, chunk*rowBytes)
	workers := min(runtime.GOMAXPROCS(0), chunk)
	encoders := make([]func(int, []byte) error, workers)
	for i := range encoders {
		encoders[i] = open()
	}
	errs := make([]error, workers)
	for first := 0; first < rows; first += chunk {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		count := min(chunk, rows-first)
		var wait sync.WaitGroup
		for i := range encoders {
			from, to := i*count/workers, (i+1)*count/workers
			wait.Go(func() {
				errs[i] = r.guard(func() error {
					for row := from; row < to; row++ {
						if err := encoders[i](first+row, buffer[row*rowBytes:][:rowBytes]); err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
		wait.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		if _, err := w.Write(buffer[:count*rowBytes]); err != nil {
			return err
		}
		if r.done != nil {
			r.done(first, first+count)
		}
	}
	return nil
}

// guard calls f, and makes an error of a fault of reading a mapped file.
func (r *runner) guard(f func() error) (err error) {
	if r.fault != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if v := recover(); v != nil {
				if err = r.fault(v); err == nil {
					panic(v)
				}
			}
		}()
	}
	return f()
}
