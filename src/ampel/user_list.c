#include "ampel/user_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ampel/output.h"
#include "ampel/user_password.h"
#include "base/table.h"
#include "proto/passwd.h"
#include "proto/shadow.h"

/* The shadow file by names: a search of it for every user would take minutes for many. */
struct passwords {
	struct shadow_entry *entries;
	struct table         by_name;
	bool                 are_known; /* the file may be read */
};

static size_t
count_lines(struct bytes text)
{
	struct bytes line;
	size_t       n = 0;

	while (bytes_split(&text, '\n', &line))
		n++;
	return n;
}

/* False: no memory. */
static bool
passwords_open(struct passwords *p, const struct user_files *f)
{
	struct bytes rest = buf_bytes(&f->shadow_text);
	size_t       n = 0;

	p->are_known = f->may_read_shadow;
	p->entries = calloc(count_lines(rest) + 1, sizeof *p->entries);
	if (p->entries == NULL)
		return false;
	for (; shadow_next(&rest, &p->entries[n], NULL); n++)
		if (p->entries[n].name.n > 0 &&
		    table_add(&p->by_name, p->entries[n].name, &p->entries[n]) ==
		        TABLE_NO_MEMORY)
			return false;
	return true;
}

static void
passwords_close(struct passwords *p)
{
	table_finish(&p->by_name);
	free(p->entries);
}

static const char *
state_of(const struct passwords *p, struct bytes name)
{
	return p->are_known ? user_password_state(table_find(&p->by_name, name))
	                    : "unknown";
}

static void
show(bool json, const struct passwd_entry *entry, const char *password)
{
	struct buf line;

	if (!json) {
		printf("%-20.*s %10lu  %-8s  %.*s\n", BYTES_ARG(entry->name),
		    (unsigned long)entry->uid, password, BYTES_ARG(entry->home));
		return;
	}
	buf_init(&line, PASSWD_FILE_MAX);
	buf_add_string(&line, "{\"name\":");
	output_json(&line, entry->name);
	buf_addf(&line, ",\"uid\":%lu,\"gid\":%lu,\"home\":",
	    (unsigned long)entry->uid, (unsigned long)entry->gid);
	output_json(&line, entry->home);
	buf_addf(&line, ",\"password\":\"%s\"}", password);
	puts(buf_string(&line));
	buf_finish(&line);
}

static int
show_all(const struct user_files *f, const struct passwords *passwords, bool json)
{
	struct bytes        rest = buf_bytes(&f->passwd_text);
	struct passwd_entry entry;
	unsigned            line = 0;
	int                 code = 0;

	while (passwd_next(&rest, &entry, &line)) {
		if (entry.name.n > 0) {
			show(json, &entry, state_of(passwords, entry.name));
			continue;
		}
		fprintf(stderr,
		    "%s:%u: expected name:x:uid:gid:text:/home:shell\n",
		    f->passwd, line);
		code = EX_DATAERR;
	}
	return code;
}

int
user_list(struct user_files *f, bool json)
{
	struct passwords passwords = { .entries = NULL };
	int              code = user_files_read(f);

	if (code != 0)
		return code;
	if (passwords_open(&passwords, f))
		code = show_all(f, &passwords, json);
	else
		code = output_complain(EX_TEMPFAIL, "user list", strerror(ENOMEM));
	passwords_close(&passwords);
	return code;
}
