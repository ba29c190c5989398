package bitnet

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// A saved session is, with all numbers little-endian:
//
//	8 bytes   savedMagic
//	uint32    savedVersion
//	32 bytes  the SHA-256 of the model's file
//	uint32    the bytes of a key's or value's element: 2, float16, or 4, float32
//	uint32    how many tokens there are
//	uint32    how many of them have been evaluated: the first ones
//	uint32    for each token, its id
//	…         the keys and values of the evaluated ones, see kvcache.Cache.Save
//	32 bytes  the SHA-256 of all of this
//
// The model's dimensions are in its file, and so in that file's SHA-256.
const (
	savedMagic   = "bitnetKV"
	savedVersion = 1
)

// savedHeader is the part of fixed size.
type savedHeader struct {
	Magic     [len(savedMagic)]byte
	Version   uint32
	Model     [sha256.Size]byte
	Element   uint32
	Tokens    uint32
	Evaluated uint32
}

// Save writes the session, its tokens and what has been computed of them, so that
// [Model.RestoreSession] can go on with it later or elsewhere, without evaluating
// it again: on any machine and platform, with the same bits. That is about 77 KB a
// token for the published model, and twice that with [WithFloat32Cache].
//
// The first Save of a model, and the first restoring, read the model's whole file
// to identify it, a second for 1.2 GB where the processor computes SHA-256 by
// itself. Errors are those of w, and [ErrClosed].
func (s *Session) Save(w io.Writer) error {
	if s.cache == nil {
		return ErrClosed
	}
	model, err := s.model.sha256()
	if err != nil {
		return err
	}
	header := savedHeader{
		Version: savedVersion, Model: model, Element: 4,
		Tokens: uint32(len(s.tokens)), Evaluated: uint32(s.evaluated),
	}
	copy(header.Magic[:], savedMagic)
	if s.cache.Shape().Half {
		header.Element = 2
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(w, 64<<10)
	out := io.MultiWriter(buffered, sum)
	ids := make([]uint32, len(s.tokens))
	for i, id := range s.tokens {
		ids[i] = uint32(id)
	}
	for _, part := range []any{header, ids} {
		if err = binary.Write(out, binary.LittleEndian, part); err != nil {
			break
		}
	}
	if err == nil {
		err = s.cache.Save(out, s.evaluated)
	}
	if err == nil {
		_, err = buffered.Write(sum.Sum(nil))
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("saving a session: %w", err)
	}
	return nil
}

// RestoreSession returns a session as [Session.Save] wrote it. What is computed
// with it has the bits that it would have had with the old one. It reads r to the
// end of the saved session and no further, and takes memory only for what it has
// read.
//
// The options are those of [Model.NewSession]. Keys and values stay in the type
// that they were saved in: WithFloat32Cache is refused for others.
//
// What is no saved session, is cut short or damaged, or belongs to another model
// gives a [*SaveError]; more tokens than WithContext allows give a
// [*ContextError]; other errors are those of r.
func (m *Model) RestoreSession(r io.Reader, opts ...SessionOption) (*Session, error) {
	o, err := m.sessionOptions(opts)
	if err != nil {
		return nil, err
	}
	saved := savedReader{r: r, sum: sha256.New()}
	var header savedHeader
	if err := saved.read(&header); err != nil {
		return nil, err
	}
	if err := m.checkSaved(&header); err != nil {
		return nil, err
	}
	switch {
	case header.Element == 2 && o.float32:
		return nil, &OptionError{Option: "float32 cache", Reason: "the session was saved with a float16 cache: leave the option out"}
	case int64(header.Tokens) > int64(o.context):
		return nil, &ContextError{Added: int(header.Tokens), Context: o.context}
	}
	o.float32 = header.Element == 4
	s := m.newSession(o)
	for len(s.tokens) < int(header.Tokens) {
		ids := make([]uint32, min(int(header.Tokens)-len(s.tokens), 4096))
		if err := saved.read(ids); err != nil {
			return nil, err
		}
		for _, id := range ids {
			if int64(id) >= int64(m.config.VocabularySize) {
				return nil, &SaveError{Reason: fmt.Sprintf("it is damaged: it holds a token %d, and ids go from 0 to %d", id, m.config.VocabularySize-1)}
			}
			s.tokens = append(s.tokens, int(id))
		}
	}
	if err := s.cache.Load(&saved, int(header.Evaluated)); err != nil {
		return nil, saved.describe(err)
	}
	s.evaluated = int(header.Evaluated)
	want := saved.sum.Sum(nil)
	sum := make([]byte, len(want))
	if err := saved.read(sum); err != nil {
		return nil, err
	}
	if !bytes.Equal(sum, want) {
		return nil, &SaveError{Reason: "it is damaged: its checksum is not that of its contents"}
	}
	return s, nil
}

// checkSaved checks what the header says by itself.
func (m *Model) checkSaved(h *savedHeader) error {
	if string(h.Magic[:]) != savedMagic {
		return &SaveError{Reason: fmt.Sprintf("it begins with %q, not %q: this is something else", h.Magic[:], savedMagic)}
	}
	if h.Version != savedVersion {
		return &SaveError{Reason: fmt.Sprintf("it has version %d of the format, and this package reads version %d", h.Version, savedVersion)}
	}
	model, err := m.sha256()
	if err != nil {
		return err
	}
	if h.Model != model {
		return &SaveError{Reason: fmt.Sprintf("it belongs to the model with SHA-256 %x, and this one has %x", h.Model, model)}
	}
	if h.Element != 2 && h.Element != 4 || h.Evaluated > h.Tokens || int64(h.Tokens) > int64(m.config.ContextLength) {
		return &SaveError{Reason: fmt.Sprintf("it is damaged: %d of %d tokens evaluated, in elements of %d bytes, in a context of %d", h.Evaluated, h.Tokens, h.Element, m.config.ContextLength)}
	}
	return nil
}

// savedReader reads a saved session and computes its checksum.
type savedReader struct {
	r    io.Reader
	sum  hash.Hash
	size int64 // read so far
}

func (r *savedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.sum.Write(p[:n])
	r.size += int64(n)
	return n, err
}

// read fills a value of fixed size.
func (r *savedReader) read(value any) error {
	return r.describe(binary.Read(r, binary.LittleEndian, value))
}

func (r *savedReader) describe(err error) error {
	if err == nil {
		return nil
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &SaveError{Reason: fmt.Sprintf("it ends after %d bytes, too early", r.size), Err: io.ErrUnexpectedEOF}
	}
	return fmt.Errorf("reading a saved session: %w", err)
}
