module github.com/gobitnet/gobitnet/bitnet/constrain/_validate

go 1.25.0

require (
	github.com/gobitnet/gobitnet v0.0.0
	github.com/google/jsonschema-go v0.4.3
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	golang.org/x/sys v0.47.0
)

require (
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/text v0.40.0 // indirect
)

replace github.com/gobitnet/gobitnet => ../../..
