#include "ampel/check_named.h"

#include "ampel/key_pair.h"
#include "ampel/tls_keys.h"
#include "io/clock.h"

enum { ERROR_TEXT = 1024 };

/* A group may read it: Debian's ssl-cert is such a one. */
static void
check_key_file(const struct config_tls *tls, const struct key_pair *pair,
    struct arena *arena, struct mistakes *mistakes)
{
	if (S_ISREG(pair->key_file.st_mode) &&
	    (pair->key_file.st_mode & (S_IROTH | S_IWOTH)))
		mistakes_add(mistakes, arena, tls->line,
		    "%.*s: everybody may %s this private key: chmod o= %.*s",
		    BYTES_ARG(tls->key),
		    pair->key_file.st_mode & S_IROTH ? "read" : "change",
		    BYTES_ARG(tls->key));
}

static void
check_block(const struct config_tls *tls, uint64_t now_ms, struct arena *arena,
    struct mistakes *mistakes)
{
	struct key_pair pair;
	char            error[ERROR_TEXT] = "";
	bool            is_read;

	is_read = key_pair_read(&pair, tls->certificate, tls->key, now_ms,
	    error, sizeof error);
	if (!is_read || pair.is_untimely)
		mistakes_add(mistakes, arena, tls->line, "%s", error);
	check_key_file(tls, &pair, arena, mistakes);
	key_pair_finish(&pair);
}

void
check_tls(
    const struct config *config, struct arena *arena, struct mistakes *mistakes)
{
	uint64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < config->n_tls; i++)
		check_block(&config->tls[i], now_ms, arena, mistakes);
}

void
check_self_signed(
    const struct config *config, struct arena *arena, struct mistakes *warnings)
{
	for (size_t i = 0; i < config->n_listen; i++)
		if (!tls_keys_are_configured(config, config->listen[i].name))
			mistakes_add(warnings, arena, config->listen[i].line,
			    "warning: no tls block applies to listener \"%.*s\": "
			    "a self-signed certificate is shown",
			    BYTES_ARG(config->listen[i].name));
}
