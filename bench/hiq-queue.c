/* The least that is a queue program: reads the message and the envelope. */
#include <unistd.h>

int
main(void)
{
	static char piece[64 * 1024];
	ssize_t     got;

	for (int fd = 0; fd <= 1; fd++)
		do
			got = read(fd, piece, sizeof piece);
		while (got > 0);
	return got == 0 ? 0 : 54;
}
