/*
 * A password from a person or a script: never from the arguments or the environment,
 * where others see it.
 */
#ifndef AMPEL_AMPEL_PASSWORD_PROMPT_H
#define AMPEL_AMPEL_PASSWORD_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "proto/sasl.h"

/* Its owner wipes it with password_forget. */
struct typed_password {
	char   text[SASL_PASSWORD_MAX];
	size_t n;
};

struct bytes password_typed(const struct typed_password *typed);
void         password_forget(struct typed_password *typed);

/*
 * Ask on the terminal, without echo, and with `twice` once more; when standard input is no
 * terminal, take its first line without a question. False: *why says what is wrong, "with
 * a control character in it". A signal ends or stops us with the terminal as it was.
 */
bool password_ask(struct typed_password *typed, const char *question, bool twice,
    const char **why);

#endif
