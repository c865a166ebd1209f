/*
 * ampel-mailbox: one process for one POP3 session, as the user who logged in. It alone opens
 * his Maildir; pop3d, which speaks with the network, gets a list and open files.
 *
 * Nothing here links the event loop or OpenSSL: as many of these idle as clients are
 * connected.
 */
#include <malloc.h>

#include "mailbox/session.h"

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

int
main(void)
{
	struct errand errand = {
		.program = "ampel-mailbox",
		.role = ROLE_POP3D,
		.open_files = OPEN_FILES,
	};

	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	mallopt(M_TOP_PAD, 0);
	malloc_trim(0);
	if (errand_begin(&errand))
		session_run(&errand);
	errand_finish(&errand);
	return errand.exit_code;
}
