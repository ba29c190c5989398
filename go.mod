module github.com/gobitnet/gobitnet

go 1.25.0
