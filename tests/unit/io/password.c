#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/password.h"

/* All of "sesame". */
#define YESCRYPT "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$2XG8TbeFGEUHepjXSRRwTEN/pknneEfp/PquC6DSDN4"
#define GOST     "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$Wg4wTLUTr3MxV3tCcods9QRDeBYxFevJpZYDv8NL2xD"
#define BCRYPT   "$2b$04$CCCCCCCCCCCCCCCCCCCCC.ssBWv.QLFL/KN6eOMlEo0mZUKYgYtR."
#define SHA256   "$5$rounds=1000$saltsalt$30.yc4HsSpLTxr3NqKw4EhPINDzNTqzxg9qelAitDW2"
#define SHA512   "$6$rounds=1000$saltsalt$5Oji4y.RQw4TBqlwXcGLBsxSL7.Pw5hdIpFnzMJTl" \
                 ".OaKsU3EiPTP5NseI3oKDT8iioErVqshwXGd40hlWBLx1"
#define MD5      "$1$saltsalt$J3RStOYaRn/5Iz9DGbAnx1"
#define NT       "$3$$427f638942987bcbeb98697797d95426"
#define DES      "abnqrLigH.z/s"
#define BSDI     "_J9..saltfTZGTNEwMRg"

struct row {
	struct bytes         hash;
	struct bytes         password;
	enum password_result result;
};

#define ROW(hash, password, result) { BYTES_INIT(hash), BYTES_INIT(password), result }

static const struct row rows[] = {
	ROW(YESCRYPT, "sesame", PASSWORD_FITS),
	ROW(GOST, "sesame", PASSWORD_FITS),
	ROW(BCRYPT, "sesame", PASSWORD_FITS),
	ROW(SHA256, "sesame", PASSWORD_FITS),
	ROW(SHA512, "sesame", PASSWORD_FITS),
	ROW(MD5, "sesame", PASSWORD_FITS),
	ROW(NT, "sesame", PASSWORD_FITS),
	ROW(DES, "sesame", PASSWORD_FITS),
	ROW(BSDI, "sesame", PASSWORD_FITS),
	ROW(YESCRYPT, "sesam", PASSWORD_FITS_NOT),
	ROW(YESCRYPT, "sesame ", PASSWORD_FITS_NOT),
	ROW(YESCRYPT, "Sesame", PASSWORD_FITS_NOT),
	ROW(SHA512, "", PASSWORD_FITS_NOT),
	/* what stands behind a NUL is not forgotten */
	ROW(SHA512, "sesame\0", PASSWORD_FITS_NOT),
	ROW(SHA512, "sesame\0x", PASSWORD_FITS_NOT),
	ROW(SHA512 "\0", "sesame", PASSWORD_FITS_NOT),
	/* locked, empty, none, cut off, longer, of no kind */
	ROW("!" SHA512, "sesame", PASSWORD_FITS_NOT),
	ROW("", "sesame", PASSWORD_FITS_NOT),
	ROW("", "", PASSWORD_FITS_NOT),
	ROW("!", "!", PASSWORD_FITS_NOT),
	ROW("*", "*", PASSWORD_FITS_NOT),
	ROW("*0", "sesame", PASSWORD_FITS_NOT),
	ROW("x", "x", PASSWORD_FITS_NOT),
	ROW("sesame", "sesame", PASSWORD_FITS_NOT),
	ROW("$6$rounds=1000$saltsalt", "sesame", PASSWORD_FITS_NOT),
	ROW("$y$j9T$F5Jx5fExrKuPp53xLKQ..1", "sesame", PASSWORD_FITS_NOT),
	ROW("$y$", "sesame", PASSWORD_FITS_NOT),
	ROW(MD5 "x", "sesame", PASSWORD_FITS_NOT),
	ROW("$zz$saltsalt$J3RStOYaRn/5Iz9DGbAnx1", "sesame", PASSWORD_FITS_NOT),
};

static void
test_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (password_check(rows[i].hash, rows[i].password) != rows[i].result)
			fail_msg("row %zu: %.*s", i, BYTES_ARG(rows[i].hash));
}

/* "x" 511 times is the longest that crypt(3) takes. */
static void
test_long_password(void **state)
{
	static const struct bytes hash = BYTES_INIT("$6$rounds=1000$saltsalt$nC35Rjw1"
	    "qm7lwdxVgg3IU9qZMEaqucKnRYCtC7UyfTbgqAQUZjWQxjc2xeWwMzOTjOEqyGG.T4MAGPm1p"
	    "tmEK/");
	char                      text[513];
	struct buf                b;

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(password_check(hash, (struct bytes){ text, 511 }), PASSWORD_FITS);
	assert_int_equal(
	    password_check(hash, (struct bytes){ text, 512 }), PASSWORD_FITS_NOT);
	assert_int_equal(
	    password_check(hash, (struct bytes){ text, 513 }), PASSWORD_FITS_NOT);
	buf_init(&b, 1000);
	assert_false(password_add_hash(&b, (struct bytes){ text, 512 }));
	buf_finish(&b);
}

static void
test_add_hash(void **state)
{
	struct buf a, b;

	(void)state;
	buf_init(&a, 1000);
	buf_init(&b, 1000);
	assert_true(password_add_hash(&a, BYTES("sesame")));
	assert_true(password_add_hash(&b, BYTES("sesame")));
	assert_true(bytes_start(buf_bytes(&a), BYTES("$y$j9T$")));
	assert_false(bytes_equal(buf_bytes(&a), buf_bytes(&b))); /* another salt */
	assert_int_equal(password_check(buf_bytes(&a), BYTES("sesame")), PASSWORD_FITS);
	assert_int_equal(password_check(buf_bytes(&b), BYTES("sesame")), PASSWORD_FITS);
	assert_int_equal(
	    password_check(buf_bytes(&b), BYTES("sesamf")), PASSWORD_FITS_NOT);
	buf_clear(&a);
	assert_false(password_add_hash(&a, BYTES("")));
	assert_false(password_add_hash(&a, BYTES("sesame\0x")));
	assert_int_equal(a.len, 0);
	buf_finish(&a);
	buf_init(&a, 10);
	assert_false(password_add_hash(&a, BYTES("sesame")));
	buf_finish(&a);
	buf_finish(&b);
}

static const struct {
	struct bytes           hash;
	enum password_strength strength;
} strengths[] = {
	{ BYTES_INIT(YESCRYPT), PASSWORD_STRONG },
	{ BYTES_INIT(GOST), PASSWORD_STRONG },
	{ BYTES_INIT(BCRYPT), PASSWORD_STRONG },
	{ BYTES_INIT(SHA256), PASSWORD_STRONG },
	{ BYTES_INIT(SHA512), PASSWORD_STRONG },
	{ BYTES_INIT(MD5), PASSWORD_WEAK },
	{ BYTES_INIT(NT), PASSWORD_WEAK },
	{ BYTES_INIT(DES), PASSWORD_WEAK },
	{ BYTES_INIT(BSDI), PASSWORD_WEAK },
	{ BYTES_INIT(""), PASSWORD_UNKNOWN },
	{ BYTES_INIT("!"), PASSWORD_UNKNOWN },
	{ BYTES_INIT("!" SHA512), PASSWORD_UNKNOWN },
	{ BYTES_INIT("*LK*"), PASSWORD_UNKNOWN },
	{ BYTES_INIT("NP"), PASSWORD_UNKNOWN },
	{ BYTES_INIT("x"), PASSWORD_UNKNOWN },
	{ BYTES_INIT("{SSHA}nqrLigHzs"), PASSWORD_UNKNOWN },
	{ BYTES_INIT("$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$aGFzaA"), PASSWORD_UNKNOWN },
	{ BYTES_INIT("$6$\0"), PASSWORD_UNKNOWN },
};

static void
test_strength(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof strengths / sizeof strengths[0]; i++)
		if (password_strength(strengths[i].hash) != strengths[i].strength)
			fail_msg("%.*s", BYTES_ARG(strengths[i].hash));
}

/* CPU time of this thread, which another load does not change. */
static double
cost_seconds(void (*check)(struct bytes, struct bytes), struct bytes hash)
{
	struct timespec from, to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (int i = 0; i < 3; i++)
		check(hash, BYTES("wrong"));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void
check_somebody(struct bytes hash, struct bytes password)
{
	assert_int_equal(password_check(hash, password), PASSWORD_FITS_NOT);
}

static void
test_time_tells_nothing(void **state)
{
	static const struct bytes like[] = {
		BYTES_INIT(YESCRYPT), BYTES_INIT(""), BYTES_INIT("!"),
		BYTES_INIT("!" SHA512), BYTES_INIT("$y$j9T$?"),
	};
	double usual = cost_seconds(check_somebody, BYTES(YESCRYPT));

	(void)state;
	assert_true(usual > 0.001);
	for (size_t i = 0; i < sizeof like / sizeof like[0]; i++) {
		double nobody = cost_seconds(password_check_nobody, like[i]);
		double locked = cost_seconds(check_somebody, like[i]);

		assert_true(nobody > usual / 2 && nobody < usual * 2);
		assert_true(locked > usual / 2 && locked < usual * 2);
	}
	/* and where users have another kind of hash: as that one */
	assert_true(cost_seconds(password_check_nobody, BYTES(SHA512)) < usual / 2);
}

/* The sanitizer takes terabytes of addresses; gcc and clang say so each in its way. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_CAN_BE_LIMITED = false };
#else
enum { MEMORY_CAN_BE_LIMITED = true };
#endif

/* With room for little more than there is; yescrypt wants 16 MB. */
static int
check_without_memory(void)
{
	FILE         *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;
	struct rlimit limit;
	struct buf    b;

	if (f == NULL || fscanf(f, "%lu", &pages) != 1)
		return 1;
	fclose(f);
	limit.rlim_cur = limit.rlim_max =
	    (pages + 512) * (unsigned long)sysconf(_SC_PAGESIZE);
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return 2;
	buf_init(&b, 1000);
	if (password_check(BYTES(YESCRYPT), BYTES("sesame")) != PASSWORD_TROUBLE ||
	    password_check(BYTES(""), BYTES("sesame")) != PASSWORD_TROUBLE)
		return 3;
	return password_add_hash(&b, BYTES("sesame")) ? 4 : 0;
}

/* Never "wrong password". */
static void
test_no_memory(void **state)
{
	int   status;
	pid_t pid;

	(void)state;
	if (!MEMORY_CAN_BE_LIMITED)
		skip();
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(check_without_memory());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_long_password),
		cmocka_unit_test(test_add_hash),
		cmocka_unit_test(test_strength),
		cmocka_unit_test(test_time_tells_nothing),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
