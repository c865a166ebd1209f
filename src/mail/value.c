#include "mail/value.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/network.h"
#include "mail/config.h"
#include "mail/setting.h"
#include "mail/value_type.h"

enum { SHOWN_MAX = 60 }; /* bytes of the file that a mistake quotes */

/* One shape for struct bytes_list, endpoint_list and network_list. */
struct list {
	const void *v;
	size_t      n;
};
_Static_assert(sizeof(struct list) == sizeof(struct bytes_list) &&
        sizeof(struct list) == sizeof(struct endpoint_list) &&
        sizeof(struct list) == sizeof(struct network_list) &&
        offsetof(struct list, n) == offsetof(struct bytes_list, n) &&
        offsetof(struct list, n) == offsetof(struct endpoint_list, n) &&
        offsetof(struct list, n) == offsetof(struct network_list, n),
    "value_read and value_add take lists of any kind");

struct reader {
	const struct setting        *setting;
	const struct value_type_row *type;
	struct arena                *arena;
	struct mistakes             *mistakes;
};

static void
add_wrong(const struct reader *r, const struct config_value *value)
{
	mistakes_add(r->mistakes, r->arena, value->line,
	    "\"%s\" wants %s, not \"%.*s\"", r->setting->name, r->type->wants,
	    BYTES_ARG(bytes_first(value->text, SHOWN_MAX)));
}

/* A copy of the value's text, which the parsed value may borrow from. */
static struct bytes
copy_text(const struct reader *r, const struct config_value *value)
{
	char *copy = arena_string(r->arena, value->text);

	if (copy == NULL) {
		mistakes_add(r->mistakes, r->arena, value->line, "no memory");
		return (struct bytes){ 0 };
	}
	for (size_t i = 0; r->type->lowers_case && i < value->text.n; i++)
		copy[i] = byte_lower(copy[i]);
	return (struct bytes){ copy, value->text.n };
}

static bool
read_one(const struct reader *r, const struct config_value *value, void *out)
{
	struct bytes text = copy_text(r, value);

	if (text.p == NULL)
		return false;
	if (r->type->parse(text, out))
		return true;
	if (!r->type->explain ||
	    !r->type->explain(text, value->line, r->arena, r->mistakes))
		add_wrong(r, value);
	return false;
}

static void
read_number(const struct reader *r, const struct config_value *value, void *field)
{
	const struct setting *s = r->setting;
	uint64_t              number;
	struct buf            limits;

	if (!read_one(r, value, &number))
		return;
	if (number >= s->min && number <= s->max) {
		*(uint64_t *)field = number;
		return;
	}
	buf_init(&limits, 100);
	r->type->add(&limits, &s->min);
	buf_add_string(&limits, " to ");
	r->type->add(&limits, &s->max);
	mistakes_add(r->mistakes, r->arena, value->line,
	    "\"%s\" may be %s, not \"%.*s\"", s->name, buf_string(&limits),
	    BYTES_ARG(bytes_first(value->text, SHOWN_MAX)));
	buf_finish(&limits);
}

static void
read_list(const struct reader *r, const struct config_setting *written, void *field)
{
	const struct setting *s = r->setting;
	size_t                n = 0, good = 0;
	char                 *elements;
	struct list           list;

	for (const struct config_value *v = written->values; v; v = v->next)
		n++;
	if (n < s->min || n > s->max) {
		mistakes_add(r->mistakes, r->arena, written->line,
		    "\"%s\" takes %llu to %llu values, not %zu", s->name,
		    (unsigned long long)s->min, (unsigned long long)s->max, n);
		return;
	}
	elements = arena_alloc(r->arena, n * r->type->element);
	if (elements == NULL) {
		mistakes_add(r->mistakes, r->arena, written->line, "no memory");
		return;
	}
	for (const struct config_value *v = written->values; v; v = v->next)
		if (read_one(r, v, elements + good * r->type->element))
			good++;
	list = (struct list){ elements, good };
	memcpy(field, &list, sizeof list);
}

void
value_read(const struct setting *setting, const struct config_setting *written,
    void *record, struct arena *arena, struct mistakes *mistakes)
{
	void         *field = (char *)record + setting->offset;
	struct reader r = { setting, NULL, arena, mistakes };

	if (setting->type == VALUE_COLOUR)
		return; /* mail/config_filter reads it, knowing the filter's kind */
	if (setting->type == VALUE_LATER) {
		mistakes_add(mistakes, arena, written->line,
		    "\"%s\" is not there yet in this version", setting->name);
		return;
	}
	r.type = value_type_row(setting->type);
	if (r.type->element > 0)
		read_list(&r, written, field);
	else if (written->is_list)
		mistakes_add(mistakes, arena, written->line,
		    "\"%s\" wants %s, not a list", setting->name,
		    r.type->wants);
	else if (written->values == NULL)
		return; /* the grammar has found the value missing */
	else if (r.type->is_number)
		read_number(&r, written->values, field);
	else
		read_one(&r, written->values, field);
}

/* An empty list or text whose preset is empty too: nothing needs to be written. */
static bool
is_unset(const struct setting *setting, const struct value_type_row *type,
    const void *field)
{
	struct list list = { NULL, 1 };

	if (setting->preset && setting->preset[0] != '\0')
		return false;
	if (type->is_text)
		return ((const struct bytes *)field)->n == 0;
	if (type->element > 0)
		memcpy(&list, field, sizeof list);
	return list.n == 0;
}

static void
add_list(struct buf *b, const struct value_type_row *type, const void *field)
{
	struct list list;

	memcpy(&list, field, sizeof list);
	buf_add_string(b, "{");
	for (size_t i = 0; i < list.n; i++) {
		buf_add_string(b, i ? ", " : " ");
		type->add(b, (const char *)list.v + i * type->element);
	}
	buf_add_string(b, " }");
}

void
value_add(struct buf *b, const struct setting *setting, const void *record,
    const char *indent)
{
	const void                  *field = (const char *)record + setting->offset;
	const struct value_type_row *type;

	if (setting->type == VALUE_LATER || setting->type == VALUE_COLOUR)
		return;
	type = value_type_row(setting->type);
	if (is_unset(setting, type, field))
		return;
	buf_addf(b, "%s%s = ", indent, setting->name);
	if (type->element > 0)
		add_list(b, type, field);
	else
		type->add(b, field);
	buf_add_char(b, '\n');
}
