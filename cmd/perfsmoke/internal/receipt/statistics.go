package receipt

import (
	"math"
	"slices"
)

// Median returns the middle one of values, the mean of the middle two where
// their number is even, and 0 where there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return v[m-1] + (v[m]-v[m-1])/2
}

// Percentile returns the smallest of values that at least the given percentage
// of them do not exceed (the nearest rank), and 0 where there are none.
func Percentile(values []float64, percent float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(percent * float64(len(v)) / 100))
	return v[min(max(rank, 1), len(v))-1]
}
