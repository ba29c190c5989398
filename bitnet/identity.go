package bitnet

import "crypto/sha256"

// ArithmeticVersion counts the versions of ARITHMETIC.md that give other bits of
// logits for the same model and tokens. It is part of what names a result that is
// to be computed again elsewhere.
const ArithmeticVersion = 1

// SHA256 returns the SHA-256 of the model's file. The first call reads the whole
// file, a second for 1.2 GB where the processor computes SHA-256 by itself; later
// ones know it. After Close it fails with [ErrClosed].
func (m *Model) SHA256() ([sha256.Size]byte, error) { return m.sha256() }

// Bytes returns the size of the model's file.
func (m *Model) Bytes() int64 { return m.file.Size() }
