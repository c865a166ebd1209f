#include "io/password.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD_METHOD "$y$" /* yescrypt */

enum { DES_LENGTH = 13 };

/*
 * 32 KB with places for the password and for the setting: all that is secret lies in
 * there and is wiped at once.
 */
static struct crypt_data *
work_open(struct bytes password)
{
	struct crypt_data *work = calloc(1, sizeof *work);

	if (work)
		bytes_to_string(password, work->input, sizeof work->input);
	return work;
}

static void
work_close(struct crypt_data *work)
{
	explicit_bzero(work, sizeof *work);
	free(work);
}

/* Then the hash is in work->output. */
static bool
compute(struct crypt_data *work, struct bytes setting)
{
	return bytes_to_string(setting, work->setting, sizeof work->setting) &&
	    crypt_rn(work->input, work->setting, work, (int)sizeof *work) != NULL;
}

/* A hash of the default kind and cost, for the time that it takes. */
static bool
compute_decoy(struct crypt_data *work)
{
	static const char salt[] = "no salt is needed here";
	char              setting[CRYPT_GENSALT_OUTPUT_SIZE];

	return crypt_gensalt_rn(PASSWORD_METHOD, 0, salt, (int)sizeof salt - 1,
	           setting, (int)sizeof setting) != NULL &&
	    compute(work, bytes_of(setting));
}

/* In a time that tells nothing about where they differ. */
static bool
is_equal(struct bytes a, struct bytes b)
{
	unsigned char differ = 0;

	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		differ |= (unsigned char)(a.p[i] ^ b.p[i]);
	return differ == 0;
}

static bool
is_possible(struct bytes password)
{
	return password.n > 0 && password.n < CRYPT_MAX_PASSPHRASE_SIZE &&
	    bytes_find(password, '\0') == password.n;
}

enum password_result
password_check(struct bytes hash, struct bytes password)
{
	enum password_result result;
	struct crypt_data   *work;

	if (!is_possible(password))
		return PASSWORD_FITS_NOT; /* whoever the user is */
	work = work_open(password);
	if (work == NULL)
		return PASSWORD_TROUBLE;
	/*
	 * libxcrypt says EINVAL for a broken hash and for too little memory alike. The
	 * decoy tells them apart, and a broken hash costs as much as a good one.
	 */
	if (compute(work, hash))
		result = is_equal(bytes_of(work->output), hash)
		    ? PASSWORD_FITS
		    : PASSWORD_FITS_NOT;
	else
		result = compute_decoy(work) ? PASSWORD_FITS_NOT : PASSWORD_TROUBLE;
	work_close(work);
	return result;
}

void
password_check_nobody(struct bytes like, struct bytes password)
{
	(void)password_check(like, password);
}

bool
password_add_hash(struct buf *b, struct bytes password)
{
	char               setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *work;
	bool               done;

	if (!is_possible(password) ||
	    crypt_gensalt_rn(PASSWORD_METHOD, 0, NULL, 0, setting,
	        (int)sizeof setting) == NULL)
		return false;
	work = work_open(password);
	if (work == NULL)
		return false;
	done = compute(work, bytes_of(setting));
	if (done)
		buf_add_string(b, work->output);
	work_close(work);
	return done && !b->failed;
}

enum password_strength
password_strength(struct bytes hash)
{
	static const char *const strong[] = {
		"$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$6$", "$5$",
	};
	char text[CRYPT_OUTPUT_SIZE];
	int  salt;

	if (!bytes_to_string(hash, text, sizeof text))
		return PASSWORD_UNKNOWN;
	salt = crypt_checksalt(text);
	if (salt == CRYPT_SALT_INVALID || salt == CRYPT_SALT_METHOD_DISABLED)
		return PASSWORD_UNKNOWN;
	for (size_t i = 0; i < sizeof strong / sizeof strong[0]; i++)
		if (bytes_start(hash, bytes_of(strong[i])))
			return PASSWORD_STRONG;
	/* any two letters begin a hash of DES; those of Solaris' "NP" are none */
	if (hash.p[0] != '$' && hash.n < DES_LENGTH)
		return PASSWORD_UNKNOWN;
	return PASSWORD_WEAK;
}
