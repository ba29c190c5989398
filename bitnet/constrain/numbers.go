package constrain

import (
	"math/big"
	"strings"
)

// largestWhole is the largest whole number that has mostDigits digits.
var largestWhole = new(big.Int).Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(mostDigits), nil), big.NewInt(1))

// wholeNumbers returns the whole numbers from lo to hi, both included.
func wholeNumbers(lo, hi *big.Int) *expr {
	var all []*expr
	if lo.Sign() < 0 {
		least := big.NewInt(1)
		if hi.Sign() < 0 {
			least.Neg(hi)
		}
		all = append(all, cat(text("-"), naturals(least, new(big.Int).Neg(lo))))
	}
	if hi.Sign() >= 0 {
		least := lo
		if lo.Sign() < 0 {
			least = new(big.Int)
		}
		all = append(all, naturals(least, hi))
	}
	return either(all...)
}

// naturals returns the whole numbers from lo to hi, which are not negative.
func naturals(lo, hi *big.Int) *expr {
	if lo.Cmp(hi) > 0 {
		return nothing
	}
	a, b := lo.String(), hi.String()
	var all []*expr
	for n := len(a); n <= len(b); n++ {
		low, high := "1"+strings.Repeat("0", n-1), strings.Repeat("9", n)
		if n == len(a) {
			low = a
		}
		if n == len(b) {
			high = b
		}
		all = append(all, digitsBetween(low, high))
	}
	return either(all...)
}

// digitsBetween returns the digits from a to b, which are of one length.
func digitsBetween(a, b string) *expr {
	n := len(a)
	if strings.Trim(a, "0") == "" && strings.Trim(b, "9") == "" {
		return times(digit, n, n)
	}
	if a[0] == b[0] {
		return cat(text(a[:1]), digitsBetween(a[1:], b[1:]))
	}
	all := []*expr{
		cat(text(a[:1]), digitsBetween(a[1:], strings.Repeat("9", n-1))),
		cat(text(b[:1]), digitsBetween(strings.Repeat("0", n-1), b[1:])),
	}
	if a[0]+1 < b[0] {
		all = append(all, cat(between(a[0]+1, b[0]-1), times(digit, n-1, n-1)))
	}
	return either(all...)
}

// multiplesOf returns the automaton of the whole numbers that m divides, written
// without leading zeros.
func multiplesOf(m int) *dfa {
	// States: dead, start, after a minus, after 0, and for each remainder one.
	d := &dfa{classes: 12}
	for b := range 256 {
		switch {
		case b >= '0' && b <= '9':
			d.class[b] = uint8(1 + b - '0')
		case b == '-':
			d.class[b] = 11
		}
	}
	const first = 4
	d.accepts = make([]bool, first+m)
	d.next = make([]int32, (first+m)*d.classes)
	for state := 1; state < first+m; state++ {
		row := d.next[state*d.classes : (state+1)*d.classes]
		for c := range 10 {
			switch {
			case state == 3:
			case state < first && c == 0:
				row[1] = 3
			case state < first:
				row[1+c] = int32(first + c%m)
			default:
				row[1+c] = int32(first + ((state-first)*10+c)%m)
			}
		}
		if state == 1 {
			row[11] = 2
		}
	}
	d.accepts[3], d.accepts[first] = true, true
	return must(d.trim())
}

// A bound of decimal numbers.
type bound struct {
	at        *big.Rat
	exclusive bool
}

// fractionDigits returns how many digits behind the point numbers have that are held
// to a bound. What is not allowed to be equal to the bound must not become so in a
// float64 either.
func (b *bound) fractionDigits() int {
	if b == nil || !b.exclusive {
		return mostDigits
	}
	whole, fraction := b.digits()
	return max(15-len(whole), len(fraction)+1)
}

// digits returns the digits of the bound's absolute value before and behind the
// point.
func (b *bound) digits() (whole, fraction string) {
	n, _ := b.at.FloatPrec()
	whole, fraction, _ = strings.Cut(new(big.Rat).Abs(b.at).FloatString(n), ".")
	return whole, strings.TrimRight(fraction, "0")
}

// decimals returns the numbers between two bounds; nil is no bound.
func decimals(lo, hi *bound) (*dfa, error) {
	digits := min(lo.fractionDigits(), hi.fractionDigits())
	f := fractions(digits)
	any := cat(naturals(new(big.Int), largestWhole), f.any(digits))
	lower, upper := either(any, cat(text("-"), any)), either(any, cat(text("-"), any))
	if lo != nil {
		if lo.at.Sign() >= 0 {
			lower = f.atLeast(lo)
		} else {
			lower = either(any, cat(text("-"), f.atMost(lo)))
		}
	}
	if hi != nil {
		switch hi.at.Sign() {
		case -1:
			upper = cat(text("-"), f.atLeast(hi))
		case 0:
			upper = either(cat(text("-"), f.atLeast(hi)), f.atMost(hi))
		default:
			upper = either(cat(text("-"), any), f.atMost(hi))
		}
	}
	a, err := determinize(lower)
	if err != nil || a == nil {
		return nil, err
	}
	b, err := determinize(upper)
	if err != nil || b == nil {
		return nil, err
	}
	return product(a, b, both)
}

// fractions is how many digits there may be behind the point.
type fractions int

// any returns a point and so many digits at most, or nothing.
func (f fractions) any(digits int) *expr { return maybe(cat(text("."), times(digit, 1, digits))) }

// atLeast returns the numbers from 0 on that are not below the absolute value of a
// bound.
func (f fractions) atLeast(b *bound) *expr {
	whole, fraction := b.digits()
	n, _ := new(big.Int).SetString(whole, 10)
	if n.Cmp(largestWhole) > 0 {
		return nothing
	}
	behind := f.any(int(f))
	if fraction != "" || b.exclusive {
		behind = cat(text("."), f.digitsAtLeast(fraction, b.exclusive, int(f)))
	}
	return either(cat(text(whole), behind), cat(naturals(n.Add(n, big.NewInt(1)), largestWhole), f.any(int(f))))
}

// digitsAtLeast returns the digits behind a point that say no less than d, or more.
func (f fractions) digitsAtLeast(d string, more bool, room int) *expr {
	switch {
	case d == "" && more:
		return cat(times(text("0"), 0, max(room-1, 0)), between('1', '9'), times(digit, 0, max(room-1, 0)))
	case d == "":
		return times(digit, 0, max(room, 0))
	}
	all := []*expr{cat(text(d[:1]), f.digitsAtLeast(d[1:], more, room-1))}
	if d[0] < '9' {
		all = append(all, cat(between(d[0]+1, '9'), times(digit, 0, max(room-1, 0))))
	}
	return either(all...)
}

// atMost returns the numbers from 0 on that are not above the absolute value of a
// bound.
func (f fractions) atMost(b *bound) *expr {
	whole, fraction := b.digits()
	n, _ := new(big.Int).SetString(whole, 10)
	if n.Cmp(largestWhole) > 0 {
		return cat(naturals(new(big.Int), largestWhole), f.any(int(f)))
	}
	all := []*expr{cat(naturals(new(big.Int), new(big.Int).Sub(n, big.NewInt(1))), f.any(int(f)))}
	switch {
	case fraction != "":
		all = append(all, cat(text(whole), maybe(cat(text("."), f.digitsAtMost(fraction, b.exclusive, int(f))))))
	case !b.exclusive:
		all = append(all, cat(text(whole), maybe(cat(text("."), times(text("0"), 1, int(f))))))
	}
	return either(all...)
}

// digitsAtMost returns the digits behind a point that say no more than d, or less.
func (f fractions) digitsAtMost(d string, less bool, room int) *expr {
	var all []*expr
	if d[0] > '0' {
		all = append(all, cat(between('0', d[0]-1), times(digit, 0, max(room-1, 0))))
	}
	switch {
	case len(d) > 1:
		all = append(all, cat(text(d[:1]), maybe(f.digitsAtMost(d[1:], less, room-1))))
	case !less:
		all = append(all, cat(text(d), times(text("0"), 0, max(room-1, 0))))
	}
	return either(all...)
}
