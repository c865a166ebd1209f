#ifndef AMPEL_AMPEL_QMAIL_RULES_H
#define AMPEL_AMPEL_QMAIL_RULES_H

#include "ampel/qmail_import.h"

/* Copy the rules of tcpserver. True: there are any, in the file QMAIL_RULES. */
bool qmail_rules(struct qmail_import *import);

#endif
