#include "fetch/download.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

enum { TEXT_MAX = 512, HEADERS_MAX = 64 * 1024 };

struct download {
	uv_loop_t         *loop;
	uv_timer_t         timer; /* libcurl's */
	CURLM             *multi; /* of this one alone */
	CURL              *easy;
	struct curl_slist *resolve;
	struct buf         text;
	size_t             headers_bytes;
	downloaded        *ended;
	void              *context;
	char               error[CURL_ERROR_SIZE];
};

/* A socket of libcurl's that is watched. */
struct watch {
	uv_poll_t        poll;
	struct download *download;
	curl_socket_t    socket;
};

bool
download_prepare(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* --- the end --- */

static void
free_download(uv_handle_t *timer)
{
	struct download *d = timer->data;

	buf_finish(&d->text);
	free(d);
}

/* libcurl's part goes at once, and with it the watches; ours when the loop lets go of it. */
static void
close_download(struct download *d)
{
	curl_multi_remove_handle(d->multi, d->easy);
	curl_easy_cleanup(d->easy);
	curl_multi_cleanup(d->multi);
	curl_slist_free_all(d->resolve);
	d->multi = NULL;
	uv_close((uv_handle_t *)&d->timer, free_download);
}

/* Parameters behind it do not matter: a policy is ASCII, or it is malformed. */
static bool
is_plain_text(const char *content_type)
{
	struct bytes type = bytes_of(content_type);

	return bytes_equal_nocase(
	    bytes_trim(bytes_first(type, bytes_find(type, ';'))), BYTES("text/plain"));
}

/* NULL: it is there, and what was asked for. */
static const char *
judge(struct download *d, CURLcode result, char why[TEXT_MAX])
{
	const char *type = NULL;
	long        status = 0;

	curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(d->easy, CURLINFO_CONTENT_TYPE, &type);
	if (d->text.failed || result == CURLE_FILESIZE_EXCEEDED)
		return "it is too large";
	if (d->headers_bytes > HEADERS_MAX)
		return "the header fields are too large";
	if (result != CURLE_OK)
		snprintf(why, TEXT_MAX, "%s",
		    d->error[0] != '\0' ? d->error : curl_easy_strerror(result));
	else if (status != 200)
		snprintf(why, TEXT_MAX, "the status is %ld", status);
	else if (!is_plain_text(type))
		snprintf(why, TEXT_MAX, "the type is %.64s", type ? type : "not told");
	else
		return NULL;
	return why;
}

/* After whatever libcurl was called for, and outside it. */
static void
look_for_end(struct download *d, CURLMcode code)
{
	char        text[TEXT_MAX];
	const char *why = curl_multi_strerror(code);
	CURLMsg    *message;
	int         more;

	message = curl_multi_info_read(d->multi, &more);
	if (message && message->msg == CURLMSG_DONE)
		why = judge(d, message->data.result, text);
	else if (code == CURLM_OK)
		return;
	close_download(d);
	d->ended(why ? BYTES("") : buf_bytes(&d->text), why, d->context);
}

void
download_cancel(struct download *d)
{
	if (d)
		close_download(d);
}

/* --- libcurl in the loop --- */

static void
act(struct download *d, curl_socket_t socket, int flags)
{
	int running;

	look_for_end(
	    d, curl_multi_socket_action(d->multi, socket, flags, &running));
}

static void
on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int
set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct download *d = context;

	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&d->timer);
	else
		uv_timer_start(&d->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	const struct watch *watch = poll->data;
	int                 flags = 0;

	if (status < 0)
		flags |= CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(watch->download, watch->socket, flags);
}

static void
free_watch(uv_handle_t *poll)
{
	free(poll->data);
}

/* NULL: no memory, or no socket that can be watched. */
static struct watch *
new_watch(struct download *d, curl_socket_t socket)
{
	struct watch *watch = calloc(1, sizeof *watch);

	if (watch == NULL)
		return NULL;
	if (uv_poll_init_socket(d->loop, &watch->poll, socket) != 0) {
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	watch->download = d;
	watch->socket = socket;
	curl_multi_assign(d->multi, socket, watch);
	return watch;
}

static int
watch_socket(CURL *easy, curl_socket_t socket, int what, void *context,
    void *assigned)
{
	struct watch *watch = assigned;
	int           events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch)
			uv_close((uv_handle_t *)&watch->poll, free_watch);
		return 0;
	}
	if (watch == NULL && (watch = new_watch(context, socket)) == NULL)
		return -1;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&watch->poll, events, on_ready) == 0 ? 0 : -1;
}

static size_t
on_header(char *line, size_t size, size_t n, void *context)
{
	struct download *d = context;

	(void)line;
	d->headers_bytes += size * n;
	return d->headers_bytes > HEADERS_MAX ? 0 : size * n;
}

static size_t
on_body(char *text, size_t size, size_t n, void *context)
{
	struct download *d = context;

	buf_add(&d->text, text, size * n);
	return d->text.failed ? 0 : size * n;
}

/* --- the beginning --- */

/* Who is asked: with the addresses of its host, libcurl has nothing to look up. */
static bool
set_server(struct download *d, const struct download_what *what)
{
	char url[TEXT_MAX];
	char line[4 * TEXT_MAX];
	int  n = snprintf(line, sizeof line, "%s:443:%s", what->host, what->addresses);

	if (n < 0 || (size_t)n >= sizeof line)
		return false;
	n = snprintf(url, sizeof url, "https://%s%s", what->host, what->path);
	if (n < 0 || (size_t)n >= sizeof url)
		return false;
	d->resolve = curl_slist_append(NULL, line);
	return d->resolve != NULL &&
	    curl_easy_setopt(d->easy, CURLOPT_RESOLVE, d->resolve) == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_URL, url) == CURLE_OK;
}

static bool
set_tls(struct download *d, struct bytes authorities)
{
	union {
		const char *given;
		void       *taken; /* libcurl does not write there */
	} pem = { .given = authorities.p };
	struct curl_blob blob = { pem.taken, authorities.n, CURL_BLOB_NOCOPY };

	return curl_easy_setopt(d->easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_SSLVERSION,
	        (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
}

/* What is never done, and how long and how much. */
static bool
set_limits(struct download *d, size_t max_bytes)
{
	const struct {
		CURLoption option;
		long       value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_TIMEOUT_MS, DOWNLOAD_TIMEOUT_MS },
		{ CURLOPT_CONNECTTIMEOUT_MS, DOWNLOAD_CONNECT_MS },
		{ CURLOPT_MAXFILESIZE, (long)max_bytes },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (curl_easy_setopt(d->easy, numbers[i].option, numbers[i].value) !=
		    CURLE_OK)
			return false;
	return curl_easy_setopt(d->easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_PROXY, "") == CURLE_OK &&
	    curl_easy_setopt(d->easy, CURLOPT_USERAGENT, "Ampel") == CURLE_OK;
}

static void
set_callbacks(struct download *d)
{
	curl_easy_setopt(d->easy, CURLOPT_ERRORBUFFER, d->error);
	curl_easy_setopt(d->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(d->easy, CURLOPT_WRITEDATA, d);
	curl_easy_setopt(d->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(d->easy, CURLOPT_HEADERDATA, d);
	curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
	curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
}

struct download *
download_start(uv_loop_t *loop, const struct download_what *what,
    downloaded *ended, void *context)
{
	struct download *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->loop = loop;
	d->ended = ended;
	d->context = context;
	buf_init(&d->text, what->max_bytes);
	uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	d->multi = curl_multi_init();
	d->easy = curl_easy_init();
	if (d->multi && d->easy && set_server(d, what) &&
	    set_tls(d, what->authorities) && set_limits(d, what->max_bytes)) {
		set_callbacks(d);
		/* asks for the timer, which begins it */
		if (curl_multi_add_handle(d->multi, d->easy) == CURLM_OK)
			return d;
	}
	close_download(d);
	return NULL;
}
