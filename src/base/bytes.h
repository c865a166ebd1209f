/*
 * A view of bytes that somebody else owns: a pointer and a length, no NUL.
 * Every parser takes and returns these; none of them copies or frees.
 */
#ifndef AMPEL_BASE_BYTES_H
#define AMPEL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
	const char *p;
	size_t      n;
};

#define BYTES_INIT(literal) { (literal), sizeof(literal) - 1 }
#define BYTES(literal)      ((struct bytes)BYTES_INIT(literal))

/* For printf's "%.*s". The length is cut to INT_MAX. */
#define BYTES_ARG(b) bytes_int((b).n), ((b).p ? (b).p : "")

int bytes_int(size_t n);

/* NULL gives an empty view. */
struct bytes bytes_of(const char *string);

bool bytes_equal(struct bytes a, struct bytes b);
/* ASCII letters only; bytes above 127 must be equal. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_start(struct bytes b, struct bytes prefix);
bool bytes_start_nocase(struct bytes b, struct bytes prefix);
/* Less than, equal to or greater than zero, as memcmp; the shorter is less. */
int  bytes_compare(struct bytes a, struct bytes b);

/* The position of the first (last) c, or b.n when there is none. */
size_t bytes_find(struct bytes b, char c);
size_t bytes_find_last(struct bytes b, char c);

/* The view from position at (cut to b.n) on; the first n bytes (cut to b.n). */
struct bytes bytes_from(struct bytes b, size_t at);
struct bytes bytes_first(struct bytes b, size_t n);

/* Without blanks and tabs at both ends. */
struct bytes bytes_trim(struct bytes b);

/*
 * Take what stands before the first sep off the front of *rest, and sep too.
 * False when *rest was empty. The last piece needs no sep behind it.
 */
bool bytes_split(struct bytes *rest, char sep, struct bytes *piece);

/*
 * Copy into a NUL-terminated array. False, and an empty string, when it does
 * not fit or holds a NUL.
 */
bool bytes_to_string(struct bytes b, char *out, size_t size);

/* ASCII, without the locale. */
bool byte_is_alpha(char c);
bool byte_is_digit(char c);
bool byte_is_print(char c); /* 0x20 to 0x7e */
char byte_lower(char c);

#endif
