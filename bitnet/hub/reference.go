package hub

import (
	"encoding/hex"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unicode"
)

// A Reference says which file is meant. It comes from [Parse].
type Reference struct {
	// Name is how the store knows it: the name in the table, or the text
	// without the SHA-256 behind it.
	Name string

	// File is the name of the file itself, without folders.
	File string

	// SHA256 is the sum of the file in lower-case hexadecimal digits, Bytes its
	// size: "" and 0 where they are not known beforehand.
	SHA256 string
	Bytes  int64

	knownFrom string // who knows them

	// One of these says where it is.
	repository, revision, pathInside string   // at Hugging Face
	address                          *url.URL // http or https
	local                            string   // a file of this machine
}

// wholeSum is the sum of a file behind its name.
var wholeSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// IsReference reports whether Parse would take the text as something other than
// a path: a name of the table, or the beginning hf:, https:, http: or file:.
func IsReference(text string) bool {
	for _, scheme := range []string{"hf:", "https:", "http:", "file:"} {
		if strings.HasPrefix(text, scheme) {
			return true
		}
	}
	name, _, _ := strings.Cut(text, "#sha256=")
	_, ok := modelNamed(name)
	return ok
}

// Parse reads what a user wrote:
//
//	2b4t                              a name of the table, see [Models]
//	hf:owner/repository/file          a file of a Hugging Face repository
//	hf:owner/repository@revision/file
//	https://…, http://…               an address; http on this machine, or as [PullOptions.Insecure] allows
//	file:path, file:///path           a file of this machine
//
// each with #sha256= and 64 hexadecimal digits behind it or without. The error is
// a [*ReferenceError].
func Parse(text string) (Reference, error) {
	fail := func(reason string) (Reference, error) { return Reference{}, &ReferenceError{text, reason} }
	name, sum, given := strings.Cut(text, "#sha256=")
	sum = strings.ToLower(sum)
	if given && !wholeSum.MatchString(sum) {
		return fail("has no SHA-256 behind #sha256=: it has 64 hexadecimal digits")
	}
	r := Reference{Name: name}
	switch {
	case strings.HasPrefix(name, "hf:"):
		if reason := r.parseRepository(name[len("hf:"):]); reason != "" {
			return fail(reason)
		}
	case strings.HasPrefix(name, "https:"), strings.HasPrefix(name, "http:"):
		u, err := url.Parse(name)
		if err != nil || u.Host == "" || u.Opaque != "" || u.Fragment != "" {
			return fail("is no address of a file: https://host/path")
		}
		r.address, r.File = u, path.Base(u.Path)
		r.Name = u.Redacted()
	case strings.HasPrefix(name, "file:"):
		local, reason := localPath(name[len("file:"):])
		if reason != "" {
			return fail(reason)
		}
		r.local, r.File = local, filepath.Base(local)
		r.Name = "file:" + local
	default:
		m, ok := modelNamed(name)
		if !ok {
			return fail("is neither the name of a model nor anything like hf:owner/repository/file or https://host/file")
		}
		r = m.reference()
	}
	if !safeName(r.File) {
		return fail("names no file at its end")
	}
	// The table knows more about its files, whatever they are called by.
	if m, ok := modelAt(r); ok && r.SHA256 == "" {
		r.SHA256, r.Bytes, r.knownFrom = m.SHA256, m.Bytes, tableOfModels
	}
	if given {
		if r.SHA256 != "" && r.SHA256 != sum {
			return fail("has another SHA-256 in the table of models, " + r.SHA256 + ": name its repository by hf:owner/repository@revision/file")
		}
		r.SHA256, r.knownFrom = sum, "#sha256="
	}
	return r, nil
}

const tableOfModels = "the table of models"

var repositoryPart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// parseRepository reads owner/repository[@revision]/file and returns what is
// wrong with it.
func (r *Reference) parseRepository(text string) (reason string) {
	const form = "is not of the form hf:owner/repository[@revision]/file"
	parts := strings.SplitN(text, "/", 3)
	if len(parts) < 3 {
		return form
	}
	repository, revision, given := strings.Cut(parts[1], "@")
	if !given {
		revision = "main"
	} else if decoded, err := url.PathUnescape(revision); err == nil {
		revision = decoded // a branch may have a slash in it, as %2F
	}
	if !repositoryPart.MatchString(parts[0]) || !repositoryPart.MatchString(repository) {
		return form
	}
	for _, part := range append(strings.Split(parts[2], "/"), strings.Split(revision, "/")...) {
		if !safeName(part) {
			return form
		}
	}
	r.repository, r.revision, r.pathInside = parts[0]+"/"+repository, revision, parts[2]
	r.File = path.Base(parts[2])
	return ""
}

// localPath reads what stands behind file:.
func localPath(text string) (file, reason string) {
	if rest, ok := strings.CutPrefix(text, "//"); ok {
		host, rest, _ := strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return "", "is a file of another machine: mount its folder, or give an https address"
		}
		decoded, err := url.PathUnescape("/" + rest)
		if err != nil {
			return "", "is no address of a file: " + err.Error()
		}
		text = decoded
		if runtime.GOOS == "windows" { // file:///C:/folder
			text = strings.TrimPrefix(text, "/")
		}
	}
	if text == "" {
		return "", "names no file"
	}
	absolute, err := filepath.Abs(text)
	if err != nil {
		return "", "is no path: " + err.Error()
	}
	return absolute, ""
}

// safeName reports whether a name can be that of a file in any folder, on any
// system.
func safeName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 200 &&
		!strings.ContainsFunc(name, func(c rune) bool { return strings.ContainsRune(`/\:*?"<>|`, c) || !unicode.IsPrint(c) })
}

// String returns a text that Parse reads as the same.
func (r Reference) String() string {
	if r.SHA256 != "" && r.knownFrom != tableOfModels {
		return r.Name + "#sha256=" + r.SHA256
	}
	return r.Name
}

// key is the name of the reference's files in the folder parts.
func (r Reference) key() string {
	if r.SHA256 != "" {
		return r.SHA256
	}
	return hex.EncodeToString(sum256(r.Name))[:32]
}

// source says where the file comes from.
func (r Reference) source() string {
	if r.repository != "" {
		return "hf:" + r.repository + "@" + url.PathEscape(r.revision) + "/" + r.pathInside
	}
	return r.Name
}

// record returns the record of a download that has not begun.
func (r Reference) record() record {
	total := int64(-1)
	if r.Bytes > 0 {
		total = r.Bytes
	}
	return record{Name: r.Name, Source: r.source(), SHA256: r.SHA256, Total: total}
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
