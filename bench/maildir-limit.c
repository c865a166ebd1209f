/*
 * bench-maildir-limit DIRECTORY [FILES]: how many 4 KB messages a second one
 * thread can put durably into a Maildir of that disk, in batches of k: write k
 * files, fsync each, rename each from tmp to new, one fsync of new. Each k gets
 * a fresh Maildir below DIRECTORY; nothing is deleted. Prints "k files-a-second"
 * for each and the best as the last line.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 4096, BATCH_MAX = 64, FILES = 3200 };

static const unsigned batches[] = { 1, 4, 16, 64 };

static char message[MESSAGE_BYTES];

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct maildir {
	int tmp, new;
};

static int
make_directory(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) == -1)
		return -1;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
maildir_make(struct maildir *m, int parent, unsigned k)
{
	char name[32];
	int  dir;

	snprintf(name, sizeof(name), "batch-%u", k);
	dir = make_directory(parent, name);
	if (dir == -1)
		return false;
	m->tmp = make_directory(dir, "tmp");
	m->new = make_directory(dir, "new");
	close(dir);
	return m->tmp != -1 && m->new != -1;
}

static int
write_file(const struct maildir *m, const char *name)
{
	int fd = openat(m->tmp, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd == -1)
		return -1;
	if (write(fd, message, sizeof(message)) != (ssize_t)sizeof(message)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Files first .. first + k - 1 are durable in new, or false. */
static bool
deliver_batch(const struct maildir *m, unsigned first, unsigned k)
{
	char names[BATCH_MAX][16];
	int  fds[BATCH_MAX];

	for (unsigned i = 0; i < k; i++) {
		snprintf(names[i], sizeof(names[i]), "%u", first + i);
		fds[i] = write_file(m, names[i]);
		if (fds[i] == -1)
			return false;
	}
	for (unsigned i = 0; i < k; i++)
		if (fsync(fds[i]) == -1 || close(fds[i]) == -1)
			return false;
	for (unsigned i = 0; i < k; i++)
		if (renameat(m->tmp, names[i], m->new, names[i]) == -1)
			return false;
	return fsync(m->new) == 0;
}

/* Files a second, or negative when the disk refused. */
static double
measure(int parent, unsigned k, unsigned files)
{
	struct maildir m;
	double         start;
	bool           good = true;

	if (!maildir_make(&m, parent, k))
		return -1;
	start = now();
	for (unsigned n = 0; good && n + k <= files; n += k)
		good = deliver_batch(&m, n, k);
	close(m.tmp);
	close(m.new);
	return good ? (double)(files / k * k) / (now() - start) : -1;
}

int
main(int argc, char *argv[])
{
	unsigned files = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : FILES;
	double   best = 0;
	int      parent;

	if (argc < 2 || files < BATCH_MAX) {
		fprintf(stderr, "usage: bench-maildir-limit DIRECTORY [FILES]\n");
		return 2;
	}
	parent = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent == -1) {
		perror(argv[1]);
		return 1;
	}
	memset(message, 'x', sizeof(message));
	for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
		double rate = measure(parent, batches[i], files);

		if (rate < 0) {
			perror("bench-maildir-limit");
			return 1;
		}
		printf("%u %.0f\n", batches[i], rate);
		if (rate > best)
			best = rate;
	}
	printf("best %.0f\n", best);
	return 0;
}
