package constrain

import "strings"

// formats are the formats of strings that are known, as regular expressions. They
// hold to what the standards say, and to a little less where that keeps them small:
// a leap second is one of UTC, an address of mail has no quotation marks and no very
// long parts, a name of a computer no more than 63 characters in a part.
var formats = map[string]string{
	"date":      date,
	"time":      clock,
	"date-time": date + `T` + clock,
	"uuid":      `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
	"email":     atom + `(?:\.` + atom + `){0,2}@` + mailLabel + `(?:\.` + mailLabel + `){0,3}`,
	"ipv4":      ipv4,
	"ipv6":      ipv6(),
	"uri":       `[a-zA-Z][a-zA-Z0-9+.-]*:(?://(?:` + label + `(?:\.` + label + `)*|` + ipv4 + `)(?::[0-9]{1,4})?(?:/` + part + `*)*|` + part + `+(?:/` + part + `*)*)(?:\?` + query + `*)?(?:#` + query + `*)?`,
}

const (
	// RFC 3339: the days of each month, the 29th of February in leap years.
	date = `(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|` +
		`(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)`
	clock = `(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])|23:59:60(?:\.[0-9]{1,9})?(?:Z|[+-]00:00))`

	// RFC 5321: 64 characters before the @, 254 together.
	atom      = `[a-zA-Z0-9!#$%&'*+/=?^_{|}~-]{1,20}`
	mailLabel = `[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,40}[a-zA-Z0-9])?`

	label = `[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?`
	octet = `(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	ipv4  = octet + `(?:\.` + octet + `){3}`

	// RFC 3986.
	escaped = `%[0-9a-fA-F]{2}`
	part    = `(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|` + escaped + `)`
	query   = `(?:[a-zA-Z0-9._~!$&'()*+,;=:@/?-]|` + escaped + `)`
)

// ipv6 is the grammar of RFC 3986, section 3.2.2.
func ipv6() string {
	const group = `[0-9a-fA-F]{1,4}`
	last := `(?:` + group + `:` + group + `|` + ipv4 + `)`
	all := []string{`(?:` + group + `:){6}` + last, `::(?:` + group + `:){5}` + last}
	for before := 1; before <= 7; before++ {
		head := `(?:` + group + `(?::` + group + `){0,` + string(rune('0'+before-1)) + `})?::`
		switch after := 7 - before; {
		case after > 2:
			head += `(?:` + group + `:){` + string(rune('0'+after-2)) + `}` + last
		case after == 2:
			head += last
		case after == 1:
			head += group
		}
		all = append(all, head)
	}
	return `(?:` + strings.Join(all, `|`) + `)`
}
