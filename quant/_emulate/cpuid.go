//go:build linux && amd64

package main

// nativeCPUID executes CPUID.
func nativeCPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

const (
	leafMaximum  = 0
	leafFeatures = 7
	leafXSAVE    = 0xd
	leafTile     = 0x1d
	leafTMUL     = 0x1e
)

// Bits of leaf 7: in EDX of its first part, in EAX of its second.
const (
	bitsAMX    = 1<<24 | 1<<25 // AMX-TILE and AMX-INT8
	bitAVXVNNI = 1 << 4
)

// lacking returns those of the features that the processor does not have.
func (f features) lacking() features {
	subleaves, _, _, edx := nativeCPUID(leafFeatures, 0)
	if edx&bitsAMX == bitsAMX {
		f.amx = false
	}
	if subleaves >= 1 {
		if eax, _, _, _ := nativeCPUID(leafFeatures, 1); eax&bitAVXVNNI != 0 {
			f.avxvnni = false
		}
	}
	return f
}

// cpuid is the answer of a processor that has the features in addition to what
// the real one has.
func (f features) cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32) {
	if highest, _, _, _ := nativeCPUID(leafMaximum, 0); leaf <= highest || leaf > leafTMUL {
		eax, ebx, ecx, edx = nativeCPUID(leaf, subleaf)
	} // else a leaf that the real processor does not know, which it may answer with anything
	switch leaf {
	case leafMaximum:
		if f.amx {
			eax = max(eax, leafTMUL)
		}
	case leafFeatures:
		switch subleaf {
		case 0:
			if f.amx {
				edx |= bitsAMX
			}
			if f.avxvnni {
				eax = max(eax, 1) // subleaves
			}
		case 1:
			if f.avxvnni {
				eax |= bitAVXVNNI
			}
		}
	case leafTile:
		if f.amx {
			switch subleaf {
			case 0:
				eax = maxPalette
			case 1:
				eax = tileNames*tileRows*tileRowBytes | tileRows*tileRowBytes<<16
				ebx = tileRowBytes | tileNames<<16
				ecx = tileRows
			}
		}
	case leafTMUL:
		if f.amx && subleaf == 0 {
			ebx = tileRows | tileRowBytes<<8
		}
	}
	return eax, ebx, ecx, edx
}
