//go:build !purego

package vector

import "github.com/klauspost/cpuid/v2"

// assembly says whether this processor runs the functions of vector_amd64.s.
var assembly = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)

//go:noescape
func dotsLanes(dst *float32, n int, x *float32, length int, rows *float32, stride int)

//go:noescape
func addCombinedLanes(y *float32, length int, weights *float32, n int, rows *float32, stride int)

//go:noescape
func addOuterLanes(rows *float32, stride int, weights *float32, n int, x *float32, length int)

//go:noescape
func absoluteMaximumLanes(x *float32, n int) float32

//go:noescape
func roundToLanes(x *float32, n int, inverse, unit float32)

//go:noescape
func weighLanes(dst, x, w *float32, n int, factor float32)

//go:noescape
func addWeighedLanes(dst, x, w *float32, n int, factor float32)

//go:noescape
func addDifferenceLanes(dst, x, y *float32, n int, a, b float32)

//go:noescape
func gatedLanes(dst, gate, up *float32, n int)

//go:noescape
func gatedBackwardLanes(gate, up, dy *float32, n int)
