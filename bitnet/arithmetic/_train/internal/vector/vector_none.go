//go:build !amd64 || purego

package vector

const assembly = false

func dotsLanes(dst *float32, n int, x *float32, length int, rows *float32, stride int)            {}
func addCombinedLanes(y *float32, length int, weights *float32, n int, rows *float32, stride int) {}
func addOuterLanes(rows *float32, stride int, weights *float32, n int, x *float32, length int)    {}
func absoluteMaximumLanes(x *float32, n int) float32                                              { return 0 }
func roundToLanes(x *float32, n int, inverse, unit float32)                                       {}
func weighLanes(dst, x, w *float32, n int, factor float32)                                        {}
func addWeighedLanes(dst, x, w *float32, n int, factor float32)                                   {}
func addDifferenceLanes(dst, x, y *float32, n int, a, b float32)                                  {}
func gatedLanes(dst, gate, up *float32, n int)                                                    {}
func gatedBackwardLanes(gate, up, dy *float32, n int)                                             {}
