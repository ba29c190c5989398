package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// listen returns the socket that systemd hands over, or one at the address.
func listen(addr string) (net.Listener, error) {
	handed, err := activation.Listeners()
	if err != nil {
		return nil, err
	}
	switch {
	case len(handed) == 1 && handed[0] != nil:
		return handed[0], nil
	case len(handed) > 0:
		return nil, fmt.Errorf("systemd hands over %d sockets: it must be one, of a stream", len(handed))
	}
	return listenAt(addr)
}

// listenAt listens at HOST:PORT or unix:PATH.
func listenAt(addr string) (net.Listener, error) {
	path, unix := strings.CutPrefix(addr, "unix:")
	if !unix {
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, describeListen(addr, err)
		}
		return listener, nil
	}
	// A socket that a server left behind answers nobody.
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if conn, err := net.Dial("unix", path); errors.Is(err, syscall.ECONNREFUSED) {
			os.Remove(path)
		} else if err == nil {
			conn.Close()
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, describeListen(addr, err)
	}
	return listener, nil
}

func describeListen(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: another server listens there; choose another address by --addr", addr)
	}
	return fmt.Errorf("listening at %s: %w", addr, err)
}
