/*
 * How many sessions each address has. IPv6 counts per /64, which is what one customer
 * gets.
 */
#ifndef AMPEL_SMTPD_CROWD_H
#define AMPEL_SMTPD_CROWD_H

#include <stddef.h>
#include <stdint.h>

enum { CROWD_ROWS = 1024 };

/* Part of each session. */
struct crowd_member {
	struct crowd_member *next;
	struct crowd_member *before;
	uint8_t              key[16];
};

struct crowd {
	struct crowd_member *rows[CROWD_ROWS];
	uint64_t             seed; /* random, so that nobody chooses his row */
};

/* The address as network_parse_address gives it. */
size_t crowd_count(const struct crowd *c, const uint8_t address[16]);
void   crowd_join(
      struct crowd *c, struct crowd_member *member, const uint8_t address[16]);
/* Calm when it had not joined (a zeroed member). */
void   crowd_leave(struct crowd *c, struct crowd_member *member);

#endif
