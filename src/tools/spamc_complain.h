/* What ampel-spamc(8) has to say to people goes to stderr; stdout is for mail. */
#ifndef AMPEL_TOOLS_SPAMC_COMPLAIN_H
#define AMPEL_TOOLS_SPAMC_COMPLAIN_H

/* One line. Gives the code back, so that it can be returned at once. */
int spamc_complain(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
