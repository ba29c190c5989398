package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A part is where a file lies while it comes: the bytes, the record of what is
// there, and the lock of whoever works on it.
type part struct{ part, record, lock string }

func (s *Store) inStore(r Reference) part {
	path := filepath.Join(s.Folder, "parts", r.key())
	return part{path + ".part", path + ".json", path + ".lock"}
}

// beside is the part of a file that is to lie under its own name in a folder.
func beside(folder, file string) part {
	path := filepath.Join(folder, "."+file+".part")
	return part{path, path + ".json", path + ".lock"}
}

// exists reports whether there is anything of it.
func (p part) exists() bool {
	_, bytes := os.Stat(p.part)
	_, record := os.Stat(p.record)
	return bytes == nil || record == nil
}

// discard removes the bytes, and then the record, by which they are found.
func (p part) discard() error {
	for _, path := range []string{p.part, p.record} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// A record says what of a file is there, and which file that is.
type record struct {
	Name     string `json:"name"`
	Source   string `json:"source"`
	Total    int64  `json:"total"`              // bytes of the whole; -1 where it is not known
	SHA256   string `json:"sha256,omitempty"`   // where it is known
	ETag     string `json:"etag,omitempty"`     // a strong one
	Modified string `json:"modified,omitempty"` // the server's Last-Modified
	Done     spans  `json:"done"`               // what has reached the disk
}

func readRecord(path string) (record, error) {
	var r record
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && (r.Total < -1 || !r.Done.valid(r.Total) || r.SHA256 != "" && !wholeSum.MatchString(r.SHA256)) {
		err = fmt.Errorf("%s is no record of a download", path)
	}
	return r, err
}

// sameFile reports whether what a server offers is the file that the record is
// about, as far as the two can tell.
func (r *record) sameFile(a *answer) bool {
	switch {
	case r.Total >= 0 && a.total >= 0 && r.Total != a.total:
		return false
	case r.SHA256 != "" && a.sum != "":
		return r.SHA256 == a.sum
	case r.ETag != "" && a.etag != "":
		return r.ETag == a.etag
	case r.Modified != "" && a.modified != "":
		return r.Modified == a.modified
	}
	// The sum of the whole will tell; or nobody can tell anything.
	return r.SHA256 != "" || r.ETag == "" && r.Modified == "" && a.etag == "" && a.modified == ""
}
