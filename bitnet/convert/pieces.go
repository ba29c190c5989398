package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// readPieces reads a SentencePiece model, a message of Protocol Buffers: field 1,
// once for each piece, has its text (1), its score (2) and its type (3); field 2,
// how it was trained, has the kind of model (3); field 3, the normalizer, says
// whether a blank goes before a text (3) and whether runs of blanks become one (4).
func readPieces(data []byte) (*words, error) {
	v := &words{ids: make(map[string]int), begin: -1, end: -1, pieces: true, addsSpace: true, addsBegin: true}
	const bytePair = 2
	model, single := uint64(1), uint64(1) // what holds where nothing is said
	err := fields(data, func(number int, _ uint64, data []byte) error {
		switch number {
		case 1:
			return v.readPiece(data)
		case 2:
			return fields(data, func(number int, n uint64, _ []byte) error {
				if number == 3 {
					model = n
				}
				return nil
			})
		case 3:
			return fields(data, func(number int, n uint64, _ []byte) error {
				switch number {
				case 3:
					v.addsSpace = n != 0
				case 4:
					single = n
				}
				return nil
			})
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(v.tokens) == 0:
		return nil, errors.New("has no pieces; it is no SentencePiece model")
	case model != bytePair:
		return nil, fmt.Errorf("is of model type %d; only %d, byte pairs, can be converted", model, bytePair)
	case single != 0:
		return nil, errors.New("has runs of blanks become one, which is not supported")
	}
	return v, nil
}

func (v *words) readPiece(data []byte) error {
	t := token{kind: normalToken}
	err := fields(data, func(number int, n uint64, data []byte) error {
		switch number {
		case 1:
			t.text = string(data)
		case 2:
			t.score = math.Float32frombits(uint32(n))
		case 3:
			t.kind = int32(min(n, 1<<30))
		}
		return nil
	})
	id := len(v.tokens)
	switch {
	case err != nil:
		return err
	case t.text == "" || !utf8.ValidString(t.text):
		return fmt.Errorf("piece %d has %.40q as its text", id, t.text)
	case t.kind < normalToken || t.kind > byteToken:
		return fmt.Errorf("piece %d is of type %d", id, t.kind)
	case !isFinite(t.score):
		return fmt.Errorf("piece %d has the score %v", id, t.score)
	}
	return v.put(pieceFile, id, t)
}

// fields runs over the fields of a message. A field has a number as its value, or
// bytes.
func fields(data []byte, yield func(number int, n uint64, data []byte) error) error {
	cut := errors.New("is cut off, or no SentencePiece model")
	varint := func() (uint64, bool) {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			return 0, false
		}
		data = data[size:]
		return n, true
	}
	for len(data) > 0 {
		tag, ok := varint()
		if !ok || tag>>3 == 0 || tag>>3 > 1<<29 {
			return cut
		}
		var n uint64
		var value []byte
		switch tag & 7 {
		case 0:
			n, ok = varint()
		case 1:
			if ok = len(data) >= 8; ok {
				n, data = binary.LittleEndian.Uint64(data), data[8:]
			}
		case 2:
			length, is := varint()
			if ok = is && length <= uint64(len(data)); ok {
				value, data = data[:length:length], data[length:]
			}
		case 5:
			if ok = len(data) >= 4; ok {
				n, data = uint64(binary.LittleEndian.Uint32(data)), data[4:]
			}
		default:
			return cut
		}
		if !ok {
			return cut
		}
		if err := yield(int(tag>>3), n, value); err != nil {
			return err
		}
	}
	return nil
}
