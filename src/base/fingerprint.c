#include "base/fingerprint.h"

/* The halves of a number of 128 bits. */
struct wide {
	uint64_t high, low;
};

/* Times the prime, 2^88 + 0x13b, modulo 2^128. */
static struct wide
times_prime(struct wide w)
{
	const uint64_t low_prime = 0x13b;
	uint64_t       carry = (w.low & 0xffffffff) * low_prime >> 32;

	carry = ((w.low >> 32) * low_prime + carry) >> 32;
	return (struct wide){
		.high = w.high * low_prime + carry + (w.low << (88 - 64)),
		.low = w.low * low_prime,
	};
}

void
fingerprint_of(struct bytes name, uint8_t bits[FINGERPRINT_BITS])
{
	struct wide w = { 0x6c62272e07bb0142, 0x62b821756295c58d };

	for (size_t i = 0; i < name.n; i++) {
		w.low ^= (unsigned char)name.p[i];
		w = times_prime(w);
	}
	for (int i = 0; i < 8; i++) {
		bits[i] = (uint8_t)(w.high >> (56 - 8 * i));
		bits[8 + i] = (uint8_t)(w.low >> (56 - 8 * i));
	}
}
