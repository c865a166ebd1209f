/*
 * One file from one HTTPS server, by libcurl: no redirect, no proxy, no name is looked up,
 * nothing is taken from or left to another download.
 */
#ifndef AMPEL_FETCH_DOWNLOAD_H
#define AMPEL_FETCH_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

enum {
	DOWNLOAD_TIMEOUT_MS = 60 * 1000, /* RFC 8461 section 3.3 */
	DOWNLOAD_CONNECT_MS = 20 * 1000,
};

/* First of all, and before the sandbox: the libraries read their files. */
bool download_prepare(void);

struct download;

struct download_what {
	const char  *host;        /* its certificate has to name it */
	const char  *path;        /* "/.well-known/mta-sts.txt" */
	const char  *addresses;   /* "192.0.2.1,[2001:db8::1]" */
	struct bytes authorities; /* PEM; lives as long as the download */
	size_t       max_bytes;
};

/* why NULL: text is all of it, of the type text/plain. Both live for the call. */
typedef void downloaded(struct bytes text, const char *why, void *context);

/* The end never comes from inside this call. NULL: no memory. */
struct download *download_start(uv_loop_t *loop, const struct download_what *what,
    downloaded *ended, void *context);
/* Nobody is told any more. NULL is allowed. */
void             download_cancel(struct download *d);

#endif
