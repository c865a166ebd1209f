/* A message that is whole goes to the program in the place of qmail-queue. */
#ifndef AMPEL_SMTPD_STDIO_COMMIT_H
#define AMPEL_SMTPD_STDIO_COMMIT_H

#include "smtpd/stdio_session.h"

/* Answers SMTP_COMMIT, and writes the message's final line. */
void stdio_commit(struct stdio_session *s);

#endif
