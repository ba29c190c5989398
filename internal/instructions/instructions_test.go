package instructions

import (
	"slices"
	"testing"

	"github.com/klauspost/cpuid/v2"
)

func TestSets(t *testing.T) {
	names := map[string]Set{}
	for _, s := range Sets() {
		if _, twice := names[s.Name]; twice {
			t.Errorf("%s stands there twice", s.Name)
		}
		names[s.Name] = s
		if !slices.IsSorted(s.Features) {
			t.Errorf("%s: %v is not sorted", s.Name, s.Features)
		}
		for _, f := range s.Features {
			if cpuid.ParseFeature(f) == cpuid.UNKNOWN {
				t.Errorf("%s: cpuid knows no %s", s.Name, f)
			}
		}
	}
	for _, s := range Sets() {
		float, ok := names[s.Float]
		if !ok || float.Float != float.Name || float.Architecture != s.Architecture {
			t.Errorf("%s has the float set %q", s.Name, s.Float)
		}
		for _, f := range float.Features {
			if !slices.Contains(s.Features, f) {
				t.Errorf("%s: its float set needs %s", s.Name, f)
			}
		}
		if Available(s.Name) && !Available(s.Float) {
			t.Errorf("%s is available without its float set", s.Name)
		}
	}
	if !Available("generic") || Available("mmx") || Available("avx2") && Available("neon") {
		t.Error("what is available cannot be")
	}
	if _, ok := Named("mmx"); ok {
		t.Error("a set that does not exist")
	}
}
