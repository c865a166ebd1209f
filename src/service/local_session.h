/*
 * SMTP with our own server, over the socket of its listener "local": blocking, for programs
 * that hand in mail and end. The server knows the caller's uid from the socket.
 */
#ifndef AMPEL_SERVICE_LOCAL_SESSION_H
#define AMPEL_SERVICE_LOCAL_SESSION_H

#include <stdbool.h>

#include "base/bytes.h"
#include "proto/message.h"
#include "proto/smtp_client.h"

struct local_session {
	int                 fd;
	struct smtp_client *smtp;
};

/* A connection to the socket; -1 with errno (ENOENT, ECONNREFUSED: nothing runs). */
int local_socket(void);

/*
 * Connect and greet. False: nothing runs, or it does not want to talk; why is one line (size bytes).
 * To be closed in any case.
 */
bool local_session_open(struct local_session *s, char *why, size_t size);
void local_session_close(struct local_session *s);

/*
 * Whether that address, in its canonical form, is a recipient of ours. An answer that did not come is
 * "try later", and the session is at its end: verify of it says so from then on.
 */
enum recipient_answer local_session_verify(
    struct local_session *s, struct bytes address);

/*
 * One transaction; text is the message. True when it came to an end: smtp_client_outcome of
 * each recipient then says which.
 */
bool local_session_send(struct local_session *s,
    const struct smtp_transaction_out *t, struct bytes text);

#endif
