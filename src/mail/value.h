/*
 * The types that settings have: text to a field of a struct and back. What is
 * written by value_add is read by value_read as the same value.
 */
#ifndef AMPEL_MAIL_VALUE_H
#define AMPEL_MAIL_VALUE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "mail/config_tree.h"
#include "mail/mistakes.h"

struct arena;
struct buf;
struct setting;

enum value_type {
	VALUE_LATER,     /* known, but this version does not offer it */
	VALUE_COLOUR,    /* a score or a list of exit codes: mail/config_filter */
	VALUE_NUMBER,    /* uint64_t, as are sizes and durations */
	VALUE_SIZE,      /* bytes */
	VALUE_DURATION,  /* milliseconds */
	VALUE_FLAG,      /* bool */
	VALUE_POLICY,    /* enum filter_policy */
	VALUE_USERS,     /* enum users_source */
	VALUE_ERROR_TEXT, /* enum error_text */
	VALUE_HOST,      /* struct bytes, as are all down to VALUE_RECIPIENT */
	VALUE_LINE,      /* printable ASCII */
	VALUE_ROOT,
	VALUE_LOG,
	VALUE_DELIMITER,
	VALUE_FOLDER,
	VALUE_PATH,      /* absolute, of a file */
	VALUE_PROGRAM,
	VALUE_PASSWORDS, /* file, pam, or a program */
	VALUE_USER,
	VALUE_RECIPIENT, /* an address, or the name of a local recipient */
	VALUE_DOMAINS,   /* struct bytes_list, in lower case */
	VALUE_RELAY_DOMAINS, /* the same, also ".example.org": all below it */
	VALUE_LISTENERS, /* struct bytes_list */
	VALUE_NETWORKS,  /* struct network_list */
	VALUE_ENDPOINTS, /* struct endpoint_list */
	VALUE_ROUTE_TLS, /* enum config_route_tls */
	VALUE_HOPS,      /* struct bytes_list of hosts with a port or without */
};

/*
 * Read what is written into the setting's field of record. Whatever is wrong is
 * added to mistakes, at its line; the field then keeps its old value. Views live in
 * arena.
 */
void value_read(const struct setting *setting,
    const struct config_setting *written, void *record, struct arena *arena,
    struct mistakes *mistakes);

/* The field as a line "name = value", after indent; nothing when it is unset. */
void value_add(struct buf *b, const struct setting *setting, const void *record,
    const char *indent);

#endif
