/*
 * For address.c and address_utf8.c alone. RFC 6531 section 3.3 lets a character of UTF-8 stand
 * almost everywhere: the grammar takes any octet beyond ASCII there. Whoever calls it refuses
 * these, or checks that all of it is UTF-8.
 */
#ifndef AMPEL_MAIL_ADDRESS_GRAMMAR_H
#define AMPEL_MAIL_ADDRESS_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "mail/address.h"

bool address_is_ascii(struct bytes text);

/* How many bytes at the front of text are a domain name; 0: none. */
size_t address_name_length(struct bytes text);

bool address_is_dot_string(struct bytes local);

/* Off the front of *rest; false: it does not stand there. */
bool address_take_char(struct bytes *rest, char c);
bool address_take_mailbox(struct bytes *rest, struct address *out);

#endif
