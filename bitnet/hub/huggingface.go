package hub

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cachedPath looks for a file in the cache that Hugging Face's own programs keep:
//
//	models--owner--repository/refs/main              the commit of a revision
//	models--owner--repository/snapshots/COMMIT/file  links to
//	models--owner--repository/blobs/SHA-256          a whole file
//
// It returns "" where there is none.
func (s *Store) cachedPath(r Reference) string {
	if s.HuggingFaceCache == "" || r.repository == "" {
		return ""
	}
	folder := filepath.Join(s.HuggingFaceCache, "models--"+strings.ReplaceAll(r.repository, "/", "--"))
	commit := r.revision
	if data, err := os.ReadFile(filepath.Join(folder, "refs", filepath.FromSlash(r.revision))); err == nil {
		commit = strings.TrimSpace(string(data))
	}
	if !safeName(commit) {
		return ""
	}
	path, err := filepath.EvalSymlinks(filepath.Join(folder, "snapshots", commit, filepath.FromSlash(r.pathInside)))
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || r.Bytes > 0 && info.Size() != r.Bytes {
		return ""
	}
	return path
}

// cached returns the file of a reference in that cache. It reads it, to be sure
// that it is the one.
func (s *Store) cached(ctx context.Context, r Reference) (Entry, bool) {
	path := s.cachedPath(r)
	if path == "" {
		return Entry{}, false
	}
	want := r.SHA256
	if name := filepath.Base(path); want == "" && wholeSum.MatchString(name) {
		want = name
	}
	sum, bytes, err := Sum(ctx, path)
	if err != nil || want != "" && sum != want {
		s.log().Warn("the file in the cache of Hugging Face is not the one, or is damaged", "file", path)
		return Entry{}, false
	}
	return Entry{
		Name: r.Name, Source: r.source(), File: r.File, Bytes: bytes, SHA256: sum,
		Pulled: time.Now().UTC().Truncate(time.Second), Path: path,
	}, true
}
