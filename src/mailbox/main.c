/*
 * ampel-mailbox: one process for one POP3 session, as the user who logged in. It alone opens
 * his Maildir; pop3d, which speaks with the network, gets a list and open files.
 *
 * Nothing here links the event loop or OpenSSL: as many of these idle as clients are
 * connected.
 *
 * With --stdio a checkpassword program has become the user and then this, for ampel-pop3d
 * --stdio on the other end of its standard input.
 */
#include <malloc.h>
#include <string.h>

#include "mailbox/session.h"
#include "proto/checkpassword.h"

enum {
	/*
	 * Blocks of more than a page are mappings: they grow without a copy, go back to the
	 * system when they are freed, and what they leave unused takes no memory. For that
	 * the heap must not hold more than was asked for, or they are taken from there.
	 */
	LARGE_BLOCK = 4 * 1024,
	/*
	 * Few are open. But the kernel takes this limit for the descriptors that all processes of
	 * one user have under way, and virtual users share a uid.
	 */
	OPEN_FILES = 16 * 1024,
};

static struct errand errand = {
	.program = "ampel-mailbox",
	.role = ROLE_POP3D,
	.open_files = OPEN_FILES,
};

static int
run_alone(void)
{
	if (errand_begin_alone(&errand))
		session_run(&errand);
	errand_finish(&errand);
	/* 1 would say, in the name of the checkpassword program, that the password is wrong */
	return errand.exit_code == 0 ? CHECKPASSWORD_OK : CHECKPASSWORD_TROUBLE;
}

int
main(int argc, char **argv)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	mallopt(M_TOP_PAD, 0);
	malloc_trim(0);
	if (argc == 2 && strcmp(argv[1], "--stdio") == 0)
		return run_alone();
	if (errand_begin(&errand))
		session_run(&errand);
	errand_finish(&errand);
	return errand.exit_code;
}
