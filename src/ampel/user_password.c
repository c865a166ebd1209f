#include "ampel/user_password.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ampel/command.h"
#include "ampel/output.h"
#include "ampel/password_prompt.h"
#include "io/clock.h"
#include "io/password.h"
#include "proto/passwd.h"

enum { HASH_MAX = 512, QUESTION_MAX = 64 };

/* --- lines --- */

static int
replace_line(struct user_files *f, struct bytes name, const struct shadow_entry *entry)
{
	struct buf content;
	int        code;

	buf_init(&content, PASSWD_FILE_MAX);
	shadow_add_changed(&content, buf_bytes(&f->shadow_text), name, entry);
	code = user_files_replace_shadow(f, &content);
	buf_wipe(&content);
	return code;
}

/* Changed today; what is said of it otherwise stays. */
static int
set_hash(struct user_files *f, struct bytes name, struct bytes hash)
{
	struct shadow_entry old = { .rest = BYTES_INIT("::::::") };
	struct shadow_entry entry = { .name = name, .hash = hash };
	struct buf          rest;
	int                 code;

	shadow_find(buf_bytes(&f->shadow_text), name, &old);
	buf_init(&rest, PASSWD_FILE_MAX);
	buf_add_number(&rest, clock_today());
	buf_add_bytes(&rest, bytes_from(old.rest, bytes_find(old.rest, ':')));
	entry.rest = buf_bytes(&rest);
	if (rest.failed)
		code = output_complain(EX_TEMPFAIL, f->shadow, strerror(ENOMEM));
	else
		code = replace_line(f, name, &entry);
	buf_finish(&rest);
	return code;
}

int
user_password_add_none(struct user_files *f, struct bytes name)
{
	const struct shadow_entry none = {
		.name = name, .hash = BYTES_INIT("!"), .rest = BYTES_INIT("::::::"),
	};

	return replace_line(f, name, &none);
}

int
user_password_remove(struct user_files *f, struct bytes name)
{
	struct shadow_entry entry;

	if (!shadow_find(buf_bytes(&f->shadow_text), name, &entry))
		return 0;
	return replace_line(f, name, NULL);
}

const char *
user_password_state(const struct shadow_entry *entry)
{
	if (entry == NULL || !shadow_has_hash(entry))
		return "none";
	if (shadow_is_locked(entry))
		return "locked";
	if (password_strength(entry->hash) == PASSWORD_UNKNOWN)
		return "broken";
	return shadow_is_expired(entry, clock_today()) ? "expired" : "set";
}

/* --- asking --- */

static int
find_user(const struct user_files *f, const char *verb, struct bytes name)
{
	struct passwd_entry entry;

	if (passwd_find(buf_bytes(&f->passwd_text), name, &entry))
		return 0;
	return output_complain(EX_NOUSER, verb, "no such user");
}

static int
ask(struct typed_password *typed, const char *what, struct bytes name, bool twice)
{
	char        question[QUESTION_MAX];
	const char *why;

	snprintf(question, sizeof question, "%s of %.*s: ", what, BYTES_ARG(name));
	if (password_ask(typed, question, twice, &why))
		return 0;
	return output_complain(EX_DATAERR, "the password is not fit", why);
}

/* --- passwd --- */

/* Only now are the files locked: a person takes time to type. */
static int
store_hash(struct user_files *f, struct bytes name, struct bytes hash)
{
	int code;

	buf_clear(&f->passwd_text);
	buf_clear(&f->shadow_text);
	code = user_files_lock(f);
	if (code == 0)
		code = find_user(f, "user passwd", name);
	if (code == 0)
		code = set_hash(f, name, hash);
	if (code == 0)
		printf("%.*s: the password is set\n", BYTES_ARG(name));
	return code;
}

static int
hash_and_store(
    struct user_files *f, struct bytes name, const struct typed_password *typed)
{
	struct buf hash;
	int        code;

	buf_init(&hash, HASH_MAX);
	if (password_add_hash(&hash, password_typed(typed)))
		code = store_hash(f, name, buf_bytes(&hash));
	else
		code = output_complain(
		    EX_TEMPFAIL, "user passwd", "no memory for a hash");
	buf_finish(&hash);
	return code;
}

int
user_password_set(struct user_files *f, struct bytes name)
{
	struct typed_password typed;
	int                   code = user_files_read(f);

	if (code == 0)
		code = find_user(f, "user passwd", name);
	if (code == 0)
		code = ask(&typed, "New password", name, true);
	if (code == 0)
		code = hash_and_store(f, name, &typed);
	password_forget(&typed);
	return code;
}

/* --- check --- */

static int
say_whether(
    struct bytes name, const struct shadow_entry *entry, enum password_result result)
{
	bool is_open = shadow_is_open(entry, clock_today());

	if (result == PASSWORD_TROUBLE)
		return output_complain(EX_TEMPFAIL, "user check", "no memory");
	if (result == PASSWORD_FITS && is_open) {
		printf("%.*s: yes\n", BYTES_ARG(name));
		return EX_GOOD;
	}
	if (is_open)
		printf("%.*s: no\n", BYTES_ARG(name));
	else
		printf("%.*s: no, whatever the password: %s\n", BYTES_ARG(name),
		    user_password_state(entry));
	return EX_BAD;
}

static int
check_typed(
    struct user_files *f, struct bytes name, const struct typed_password *typed)
{
	struct shadow_entry entry = { .hash = BYTES_INIT("") };

	shadow_find(buf_bytes(&f->shadow_text), name, &entry);
	return say_whether(
	    name, &entry, password_check(entry.hash, password_typed(typed)));
}

int
user_password_check(struct user_files *f, struct bytes name)
{
	struct typed_password typed;
	int                   code = user_files_read(f);

	if (code == 0 && !f->may_read_shadow)
		code = output_complain(EX_CANTCREAT, f->shadow, strerror(EACCES));
	if (code == 0)
		code = find_user(f, "user check", name);
	if (code == 0)
		code = ask(&typed, "Password", name, false);
	if (code == 0)
		code = check_typed(f, name, &typed);
	password_forget(&typed);
	return code;
}
