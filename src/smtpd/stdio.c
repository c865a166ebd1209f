#include "smtpd/stdio.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"
#include "io/stdio.h"
#include "smtpd/stdio_control.h"
#include "smtpd/stdio_options.h"
#include "smtpd/stdio_session.h"

/* As ampel.conf(5) has them, but for what qmail-smtpd has no bounds for. */
enum {
	RECIPIENTS_MAX = 1000,
	ERRORS_MAX = 20,
	HOPS_MAX = 100,
	MESSAGE_MAX = 50 * 1024 * 1024, /* where control/ does not say */
	TIMEOUT_MS = 5 * 60 * 1000,
	SESSION_TIMEOUT_MS = 60 * 60 * 1000,
	QUEUE_TIMEOUT_MS = 10 * 60 * 1000, /* RFC 5321 section 4.5.3.2.6 */
	FAREWELL_MS = 10 * 1000,
	WHY_MAX = 512,
};

enum { EXIT_TROUBLE = 1, EXIT_USAGE = 100 };

/* What there is, for the whole of the process. */
struct house {
	struct stdio_options options;
	struct stdio_control control;
	struct buf           hostname; /* of our server; or of the host */
	char                 home[PATH_MAX];   /* of qmail */
	struct stdio_session session;
};

static void
say(struct bytes line)
{
	stdio_write(line, clock_monotonic_ms() + FAREWELL_MS);
	stdio_linger();
}

/* --- where we are --- */

static void
name_host(struct house *h)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (stdio_recipients_hostname(&h->session.recipients, &h->hostname))
		return;
	gethostname(name, sizeof name - 1);
	buf_clear(&h->hostname);
	buf_add_string(&h->hostname, name[0] ? name : "localhost");
}

/*
 * qmail's home, where its programs are started: above control/ as it is named, for that is
 * often a link to a folder of /etc.
 */
static const char *
find_home(struct house *h)
{
	struct bytes control = bytes_of(h->options.control);
	size_t       slash;

	while (control.n > 1 && control.p[control.n - 1] == '/')
		control.n--;
	slash = bytes_find_last(control, '/');
	if (slash == control.n)
		return NULL;
	if (!bytes_to_string(bytes_first(control, slash > 0 ? slash : 1), h->home,
	        sizeof h->home))
		return NULL;
	return h->home;
}

static void
use_control(struct house *h)
{
	struct stdio_session *s = &h->session;
	const char           *control = h->options.control;

	s->recipients.control = &h->control;
	s->timeout_ms = h->control.timeout_s * 1000;
	s->policy.hostname = h->control.hostname;
	s->policy.greeting = h->control.greeting;
	s->policy.size_max = h->control.size_max;
	s->queue.folder = find_home(h);
	if (!h->control.has_rcpthosts)
		log_text("%s/rcpthosts is missing: recipients are accepted of those "
		    "alone who may relay", control);
}

static void
use_server(struct house *h)
{
	name_host(h);
	h->session.policy.hostname = buf_bytes(&h->hostname);
	h->session.policy.size_max = MESSAGE_MAX;
	h->session.timeout_ms = TIMEOUT_MS;
}

/* False: why says it. */
static bool
find_recipients(struct house *h, char *why, size_t size)
{
	const char *folder = h->options.control;

	switch (stdio_control_read(&h->control, folder, why, size)) {
	case CONTROL_READ:
		use_control(h);
		return true;
	case CONTROL_NONE:
		if (!h->options.control_is_named) {
			use_server(h);
			return true;
		}
		snprintf(why, size, "%s: there is no such folder", folder);
		return false;
	case CONTROL_UNREADABLE:
		break;
	}
	return false;
}

/* --- the session --- */

static const char *
large_folder(void)
{
	const char *folder = getenv("TMPDIR");

	return folder && folder[0] == '/' ? folder : "/tmp";
}

static void
fill_session(struct house *h)
{
	struct stdio_session *s = &h->session;

	*s = (struct stdio_session){
		.policy = {
			.listener = h->options.name,
			.recipients_max = RECIPIENTS_MAX,
			.errors_max = ERRORS_MAX,
			.hops_max = HOPS_MAX,
			.bounce_single_recipient = true,
			.refuse_relay_probes = true,
			.has_no_dsn = true,
			/* TLS is outside, or is not there at all: never STARTTLS */
			.tls = h->options.policy->auth ? LISTENER_TLS : LISTENER_CLEAR,
			.auth = h->options.policy->auth,
			.any_sender = true,
		},
		.queue = { .program = getenv("QMAILQUEUE"),
		    .timeout_ms = QUEUE_TIMEOUT_MS },
		.checker = { .argv = h->options.checker },
		.memory = { .max = 2 * MESSAGE_IN_MEMORY_MAX,
		    .directory = large_folder() },
		.session_timeout_ms = SESSION_TIMEOUT_MS,
	};
	stdio_peer_read(&s->peer);
	s->recipients.own = s->peer.own;
	buf_init(&h->hostname, SMTP_HELO_MAX);
}

static int
serve(struct house *h)
{
	char why[WHY_MAX];

	fill_session(h);
	if (!find_recipients(h, why, sizeof why)) {
		log_text("%s", why);
		say(BYTES("421 4.3.0 unable to read controls\r\n"));
		return EXIT_TROUBLE;
	}
	stdio_session_run(&h->session);
	buf_finish(&h->hostname);
	stdio_control_finish(&h->control);
	return EXIT_SUCCESS;
}

int
stdio_main(int argc, char **argv)
{
	static struct house house;
	char                why[WHY_MAX];

	if (!stdio_begin() || !log_open_beside_client("ampel-smtpd"))
		return EXIT_TROUBLE;
	if (stdio_options_parse(&house.options, argc, argv, why, sizeof why))
		return serve(&house);
	log_text("%s", why);
	log_text("%s", stdio_usage);
	say(BYTES("421 4.3.0 mail server is not configured; come back later\r\n"));
	return EXIT_USAGE;
}
