module github.com/gobitnet/gobitnet/bitnet/arithmetic/_train

go 1.25.0

require (
	github.com/gobitnet/gobitnet v0.0.0
	github.com/klauspost/cpuid/v2 v2.4.2
	github.com/x448/float16 v0.8.4
)

require (
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.40.0 // indirect
)

replace github.com/gobitnet/gobitnet => ../../..
