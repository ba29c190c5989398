//go:build !linux && !darwin

package asmtest

// Place copies a slice of numbers.
func Place[T any](p Placer, s []T) []T {
	return append(make([]T, 0, len(s)), s...)
}
