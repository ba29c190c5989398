package hub

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cached looks for a file in the cache that Hugging Face's own programs keep:
//
//	models--owner--repository/refs/main              the commit of a revision
//	models--owner--repository/snapshots/COMMIT/file  links to
//	models--owner--repository/blobs/SHA-256          a whole file
//
// It reads the file, to be sure that it is the one.
func (s *Store) cached(ctx context.Context, r Reference) (Entry, bool) {
	if s.HuggingFaceCache == "" || r.repository == "" {
		return Entry{}, false
	}
	folder := filepath.Join(s.HuggingFaceCache, "models--"+strings.ReplaceAll(r.repository, "/", "--"))
	commit := r.revision
	if data, err := os.ReadFile(filepath.Join(folder, "refs", filepath.FromSlash(r.revision))); err == nil {
		commit = strings.TrimSpace(string(data))
	}
	if !safeName(commit) {
		return Entry{}, false
	}
	path, err := filepath.EvalSymlinks(filepath.Join(folder, "snapshots", commit, filepath.FromSlash(r.pathInside)))
	if err != nil {
		return Entry{}, false
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || r.Bytes > 0 && info.Size() != r.Bytes {
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
