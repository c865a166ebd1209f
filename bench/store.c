/*
 * How fast the queue's store is: PUT, lease, body and FINISH of messages with one
 * recipient, in batches as queue/desk.c makes them. "joint" is as under load: each
 * transaction has the outcomes of one batch and the messages of the next.
 *
 *     bench-store FOLDER [messages [body bytes [batch]]]
 *
 * FOLDER must be on the disk that is asked about. CPU is user and system time of
 * this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/memfile.h"
#include "queue/store.h"

enum { BATCH_MAX = 64 };

struct timing {
	double wall_s, cpu_s;
};

static double
seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct timing
timing_now(void)
{
	struct rusage   usage;
	struct timespec t;

	getrusage(RUSAGE_SELF, &usage);
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct timing){ (double)t.tv_sec + (double)t.tv_nsec / 1e9,
		seconds(usage.ru_utime) + seconds(usage.ru_stime) };
}

static void
timing_add(struct timing *sum, struct timing from)
{
	struct timing now = timing_now();

	sum->wall_s += now.wall_s - from.wall_s;
	sum->cpu_s += now.cpu_s - from.cpu_s;
}

/* ---- one batch ---- */

struct batch {
	struct envelope           envelopes[BATCH_MAX];
	struct envelope_recipient recipients[BATCH_MAX];
	char                      addresses[BATCH_MAX][64];
	struct store_op           ops[2 * BATCH_MAX];
	struct store_op          *list[2 * BATCH_MAX];
	struct store_lease        leases[BATCH_MAX];
	int                       bodies[BATCH_MAX];
};

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "bench-store: %s failed\n", what);
	exit(1);
}

static void
commit(struct store *s, struct batch *b, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		b->list[i] = &b->ops[i];
	store_commit(s, b->list, n);
	for (size_t i = 0; i < n; i++)
		must(b->ops[i].result == STORE_DONE, what);
}

static void
prepare(struct batch *b, size_t n, const char *body, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t                    random[ID_RANDOM];
		struct envelope           *e = &b->envelopes[i];
		struct envelope_recipient *r = &b->recipients[i];

		random_fill(random, sizeof random);
		snprintf(b->addresses[i], sizeof b->addresses[i],
		    "user%zu@example.org", i);
		*r = (struct envelope_recipient){
			.address = bytes_of(b->addresses[i]),
			.original = bytes_of(b->addresses[i]),
		};
		*e = (struct envelope){ .id = id_make(clock_now_ms(), random),
			.arrival_ms = clock_now_ms(),
			.reverse_path = BYTES("sender@client.example.net"),
			.listener = BYTES("smtp"),
			.peer_address = BYTES("192.0.2.17"),
			.peer_name = BYTES("mail.client.example.net"),
			.helo = BYTES("mail.client.example.net"),
			.esmtp = true,
			.tls = BYTES("TLSv1.3 TLS_AES_256_GCM_SHA384"),
			.size_bytes = size,
			.recipients = r,
			.n_recipients = 1 };
		b->bodies[i] = memfile_of("message", (struct bytes){ body, size });
		must(b->bodies[i] != -1, "memory file");
		b->ops[i] = (struct store_op){ .kind = STORE_PUT,
			.put = { .envelope = e,
			    .body = b->bodies[i],
			    .due_ms = e->arrival_ms } };
	}
}

/* FINISH of what is leased, as ops from `at` on. */
static void
prepare_finish(struct batch *b, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->ops[at + i] = (struct store_op){ .kind = STORE_FINISH,
			.finish = { .token = b->leases[i].token,
			    .outcome = { .kind = OUTCOME_DELIVERED } } };
}

static void
lease(struct store *s, struct batch *b, size_t n)
{
	const struct store_want want = { .now_ms = clock_now_ms() + 10,
		.others = SIZE_MAX };
	struct arena arena;

	arena_init(&arena, 1024 * 1024);
	must(store_lease(s, &want, &arena, b->leases, n) == n, "lease");
	for (size_t i = 0; i < n; i++) {
		int fd = store_body(s, &b->leases[i].id);

		must(fd != -1, "body");
		close(fd);
	}
	arena_finish(&arena);
}

static void
report(const char *what, struct timing t, size_t n)
{
	printf("  %s %7.0f/s %6.1f us CPU", what, (double)n / t.wall_s,
	    t.cpu_s * 1e6 / (double)n);
}

static void
close_bodies(struct batch *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(b->bodies[i]);
}

static void
run_apart(struct store *s, size_t batch, size_t total, const char *body,
    size_t size)
{
	static struct batch b;
	struct timing       put = { 0 }, leased = { 0 }, finished = { 0 }, from;
	struct timing       all;

	for (size_t done = 0; done < total; done += batch) {
		prepare(&b, batch, body, size);
		from = timing_now();
		commit(s, &b, batch, "PUT");
		timing_add(&put, from);
		from = timing_now();
		lease(s, &b, batch);
		timing_add(&leased, from);
		prepare_finish(&b, 0, batch);
		from = timing_now();
		commit(s, &b, batch, "FINISH");
		timing_add(&finished, from);
		close_bodies(&b, batch);
	}
	all.wall_s = put.wall_s + leased.wall_s + finished.wall_s;
	all.cpu_s = put.cpu_s + leased.cpu_s + finished.cpu_s;
	printf("%4zu apart:", batch);
	report("all", all, total);
	report("put", put, total);
	report("lease+body", leased, total);
	report("finish", finished, total);
	printf("\n");
}

static void
run_joint(struct store *s, size_t batch, size_t total, const char *body,
    size_t size)
{
	static struct batch b;
	struct timing       all = { 0 }, from;
	size_t              leased = 0;

	for (size_t done = 0; done < total; done += batch) {
		prepare(&b, batch, body, size);
		prepare_finish(&b, batch, leased);
		from = timing_now();
		commit(s, &b, batch + leased, "PUT and FINISH");
		lease(s, &b, batch);
		timing_add(&all, from);
		close_bodies(&b, batch);
		leased = batch;
	}
	prepare_finish(&b, 0, leased);
	commit(s, &b, leased, "FINISH");
	printf("%4zu joint:", batch);
	report("all", all, total);
	printf("\n");
}

int
main(int argc, char *argv[])
{
	static const size_t batches[] = { 1, 4, 16, 64 };
	size_t        total = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
	size_t        size = argc > 3 ? strtoul(argv[3], NULL, 10) : 4096;
	size_t        only = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
	char          error[256];
	char         *body = calloc(1, size + 1);
	struct store *s;

	if (argc < 2 || body == NULL) {
		fprintf(stderr, 
		    "usage: bench-store FOLDER [messages [bytes [batch]]]\n");
		return 2;
	}
	s = store_open(argv[1], error, sizeof error);
	if (s == NULL) {
		fprintf(stderr, "bench-store: %s\n", error);
		return 1;
	}
	memset(body, 'x', size);
	for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
		size_t n = batches[i] < 16 ? total / 4 : total;

		if (only > 0 && batches[i] != only)
			continue;
		run_apart(s, batches[i], n, body, size);
		run_joint(s, batches[i], n, body, size);
	}
	store_close(s);
	free(body);
	return 0;
}
