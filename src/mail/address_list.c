#include "mail/address_list.h"

#include <string.h>

/*
 * One member of the list is read as tokens: what stands in angle brackets is the address; without
 * any, all words together are it ("jo @ example.net" is obsolete but legal).
 */
struct member {
	struct bytes whole;   /* as it stands there */
	char        *address; /* words without blanks and comments */
	size_t       n;
	bool         has_angle, is_in_angle;
	bool         is_split;  /* two words with no '.' or '@' between them */
	bool         is_broken;
};

struct address_list
address_list_of(struct bytes value, struct arena *arena)
{
	return (struct address_list){ .p = value.p,
		.end = value.p + value.n, .room = arena_alloc(arena, value.n) };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* *p is behind a '('. False: it does not end, or too deep. */
static bool
skip_comment(const char **p, const char *end)
{
	for (unsigned depth = 1; *p < end; (*p)++) {
		switch (**p) {
		case '\\':
			if (*p + 1 < end)
				(*p)++;
			break;
		case '(':
			if (++depth > ADDRESS_COMMENTS_MAX)
				return false;
			break;
		case ')':
			if (--depth == 0) {
				(*p)++;
				return true;
			}
			break;
		default:
			break;
		}
	}
	return false;
}

/* The length of a quoted string or domain literal at p, its ends included; 0: it does not end. */
static size_t
enclosed_length(const char *p, const char *end, char close)
{
	for (const char *q = p + 1; q < end; q++) {
		if (*q == '\\' && q + 1 < end)
			q++;
		else if (*q == close)
			return (size_t)(q + 1 - p);
	}
	return 0;
}

static bool
is_joint(char c)
{
	return c == '.' || c == '@';
}

/* A word or sign of the address; blanks between two words make it a name, not an address. */
static void
add(struct member *m, const char *p, size_t n, bool was_blank)
{
	if (was_blank && m->n > 0 && !is_joint(m->address[m->n - 1]) &&
	    !is_joint(*p))
		m->is_split = true;
	memcpy(m->address + m->n, p, n);
	m->n += n;
}

static void
open_angle(struct member *m)
{
	m->is_broken |= m->has_angle;
	m->has_angle = m->is_in_angle = true;
	m->is_split = false;
	m->n = 0; /* what came before was a name */
}

/* "@a,@b:" in front of an address, RFC 5322 section 4.4. */
static void
end_route(struct member *m)
{
	if (!m->is_in_angle || m->n == 0 || m->address[0] != '@')
		m->is_broken = true;
	m->n = 0;
}

/* A quoted string of a name may hold anything; one in an address belongs to it. False: broken. */
static bool
take_enclosed(struct member *m, const char **p, const char *end, bool was_blank)
{
	size_t n = enclosed_length(*p, end, **p == '"' ? '"' : ']');

	if (n == 0) {
		m->is_broken = true;
		*p = end;
		return false;
	}
	if (!m->has_angle || m->is_in_angle)
		add(m, *p, n, was_blank);
	*p += n;
	return true;
}

/* Read on to the ',' or ';' that ends the member, or the ':' that begins a group. */
static char
read_member(struct address_list *l, struct member *m)
{
	bool was_blank = false;

	while (l->p < l->end) {
		char c = *l->p;

		if (is_blank(c)) {
			was_blank = true;
			l->p++;
			continue;
		}
		if (c == '"' || c == '[') {
			if (!take_enclosed(m, &l->p, l->end, was_blank))
				return '\0';
			was_blank = false;
			continue;
		}
		l->p++;
		switch (c) {
		case '(':
			if (!skip_comment(&l->p, l->end)) {
				m->is_broken = true;
				l->p = l->end;
			}
			was_blank = true;
			continue;
		case '<':
			open_angle(m);
			break;
		case '>':
			m->is_broken |= !m->is_in_angle;
			m->is_in_angle = false;
			break;
		case ':':
			if (!m->is_in_angle)
				return ':';
			end_route(m);
			break;
		case ',':
			if (!m->is_in_angle)
				return ',';
			m->is_broken |= m->n == 0 || m->address[0] != '@';
			break;
		case ';':
			if (!m->is_in_angle)
				return ';';
			m->is_broken = true;
			break;
		default:
			if (!m->has_angle || m->is_in_angle)
				add(m, l->p - 1, 1, was_blank);
			else
				m->is_broken = true;
			break;
		}
		was_blank = false;
	}
	return '\0';
}

enum address_list_result
address_list_next(struct address_list *l, struct bytes *out)
{
	while (l->p < l->end) {
		const char   *start = l->p;
		struct member m = { .address = l->room };
		char          end;

		if (m.address == NULL) {
			*out = BYTES("no memory");
			l->p = l->end;
			return ADDRESS_LIST_BROKEN;
		}
		end = read_member(l, &m);
		m.whole = bytes_trim((struct bytes){ start,
		    (size_t)(l->p - start) - (end != '\0') });
		if (end == ':') { /* the name of a group */
			m.is_broken |= l->is_in_group || m.has_angle;
			l->is_in_group = true;
			if (!m.is_broken)
				continue;
		} else if (end == ';') {
			m.is_broken |= !l->is_in_group;
			l->is_in_group = false;
		}
		m.is_broken |= m.is_in_angle || m.is_split;
		if (m.is_broken || (m.has_angle && m.n == 0)) {
			*out = m.whole;
			return ADDRESS_LIST_BROKEN;
		}
		if (m.n == 0) /* an empty member, section 4.4 */
			continue;
		l->room += m.n; /* all of them together are no longer than the field */
		*out = (struct bytes){ m.address, m.n };
		return ADDRESS_LIST_ADDRESS;
	}
	return ADDRESS_LIST_END;
}
