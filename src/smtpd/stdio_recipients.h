/*
 * Who is a recipient of ours: what control/ says, or our own server where there is none.
 */
#ifndef AMPEL_SMTPD_STDIO_RECIPIENTS_H
#define AMPEL_SMTPD_STDIO_RECIPIENTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proto/smtp_server.h"
#include "service/local_session.h"
#include "smtpd/stdio_control.h"

struct stdio_recipients {
	const struct stdio_control *control; /* NULL: our server is asked */
	struct bytes                own;     /* address of this host; may be empty */

	/* Private. */
	struct local_session server;
	bool                 is_open;
};

/* What our server calls itself, to the end of out. False: it does not run, which is logged. */
bool stdio_recipients_hostname(struct stdio_recipients *r, struct buf *out);

/* address: its canonical form; reverse_path as it was written. */
enum smtp_recipient_answer stdio_recipients_ask(struct stdio_recipients *r,
    struct bytes reverse_path, struct bytes address);

/* Where it goes: user@[own address] is user@localiphost. To the end of out. */
void stdio_recipients_add_target(
    const struct stdio_recipients *r, struct bytes address, struct buf *out);

/* Nothing is asked for a while: our server has other clients. Calm when it is not open. */
void stdio_recipients_rest(struct stdio_recipients *r);

#endif
