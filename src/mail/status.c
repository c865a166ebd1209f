#include "mail/status.h"

#include "base/buf.h"
#include "base/number.h"

bool
status_parse(struct bytes text, struct status *out)
{
	struct bytes class, subject, rest = text;
	uint64_t     c, s, d;

	if (!bytes_split(&rest, '.', &class) ||
	    !bytes_split(&rest, '.', &subject))
		return false;
	if (!number_parse(class, 5, &c) || !number_parse(subject, 999, &s) ||
	    !number_parse(rest, 999, &d))
		return false;
	if (class.n != 1 || subject.n > 3 || rest.n > 3 || c < 2 || c == 3)
		return false;
	*out = STATUS((uint8_t)c, (uint16_t)s, (uint16_t)d);
	return true;
}

void
status_add(struct buf *b, struct status status)
{
	buf_add_number(b, status.class);
	buf_add_char(b, '.');
	buf_add_number(b, status.subject);
	buf_add_char(b, '.');
	buf_add_number(b, status.detail);
}
