package openai

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// apiKeys are the SHA-256 sums of the keys that are served, so that all take
// equally long to compare.
type apiKeys [][sha256.Size]byte

func newAPIKeys(keys []string) apiKeys {
	var sums apiKeys
	for _, key := range keys {
		sums = append(sums, sha256.Sum256([]byte(key)))
	}
	return sums
}

func (k apiKeys) any() bool { return len(k) > 0 }

// find returns the number of the key that a request brings. How long it takes does
// not depend on how much of a key is right.
func (k apiKeys) find(r *http.Request) (number int, ok bool) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return 0, false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	found := -1
	for i := range k {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], k[i][:]), i, found)
	}
	return max(found, 0), found >= 0
}
