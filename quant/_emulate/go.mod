module emulate

go 1.25.0
