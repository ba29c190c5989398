package gguf

import "syscall"

// preferLargePages asks the system to read a mapped file in large pieces and to
// keep and map these as large pages, which takes it a fraction of the time. It is
// advice; what lies in the file cache already stays as it is.
func preferLargePages(data []byte) { syscall.Madvise(data, syscall.MADV_HUGEPAGE) }
