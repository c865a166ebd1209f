#include "ampel/become.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/number.h"

enum { MISUSE = 100, TROUBLE = 111, FIXED_ARGS = 4 };

static bool
drop_to(uid_t uid, gid_t gid, const char *user)
{
	return initgroups(user, gid) == 0 && setresgid(gid, gid, gid) == 0 &&
	    setresuid(uid, uid, uid) == 0 && setuid(0) != 0;
}

int
become(int argc, char **argv)
{
	uint64_t uid, gid;

	if (argc < FIXED_ARGS || argv[3][0] != '/' ||
	    !number_parse(bytes_of(argv[0]), INT32_MAX, &uid) ||
	    !number_parse(bytes_of(argv[1]), INT32_MAX, &gid))
		return MISUSE;
	if (geteuid() == 0 && !(uid == 0 && strcmp(argv[2], "root") == 0) &&
	    !drop_to((uid_t)uid, (gid_t)gid, argv[2])) {
		fprintf(stderr, "ampel: cannot become %s: %s\n", argv[2],
		    strerror(errno));
		return TROUBLE;
	}
	/*
	 * A supervisor that is killed cannot stop its helpers; one that lived on would
	 * hold the address that the next one needs. (After setresuid, which clears it.)
	 */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(argv[3], argv + 3);
	fprintf(stderr, "ampel: %s: %s\n", argv[3], strerror(errno));
	return TROUBLE;
}
