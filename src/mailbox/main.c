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
	/* Large blocks go back to the system when they are freed. */
	LARGE_BLOCK = 64 * 1024,
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
	if (errand_begin(&errand))
		session_run(&errand);
	return errand.exit_code;
}
