/*
 * One client's connection, in the clear or under TLS: what he sends comes as plain text,
 * what he is to be sent goes out at once or waits in one request of the loop.
 */
#ifndef AMPEL_SERVICE_WIRE_H
#define AMPEL_SERVICE_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "io/tls.h"

struct wire;
struct wire_request;

/*
 * What its owner is told. None comes from inside a call of the owner's, and none but
 * `closed` after wire_close.
 */
struct wire_calls {
	/* How much plain text may come now. */
	size_t (*room)(const struct wire *w);
	/* At most that much. text dies with the call, under TLS wiped. */
	void   (*input)(struct wire *w, struct bytes text);
	/* The client sends no more; is_reset: and hears no more. Once. */
	void   (*ended)(struct wire *w, bool is_reset);
	/* Nothing waits any more; or the client is gone. */
	void   (*sent)(struct wire *w, bool is_gone);
	/* The handshake is done. */
	void   (*secured)(struct wire *w);
	/* The connection is closed and w may be freed. */
	void   (*closed)(struct wire *w);
};

struct wire {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t    tcp;
		uv_pipe_t   pipe; /* a Unix socket */
	};
	uv_idle_t                later;   /* what is to happen in the next turn of the loop */
	const struct wire_calls *calls;
	void                    *owner;
	struct tls              *tls;     /* NULL: in the clear */
	struct wire_request     *waiting; /* NULL: nothing waits */
	bool                     wants;      /* plain text */
	bool                     has_more;   /* tls may hold some */
	bool                     is_moving;  /* it is being taken out */
	bool                     is_reading; /* the socket */
	bool                     has_yielded;
	bool                     is_secured;
	bool                     is_ending;  /* nothing more will be sent */
	bool                     has_ended;
	bool                     is_closing;
};

enum wire_result {
	WIRE_SENT,
	WIRE_WAITS, /* all of it is taken, sent comes */
	WIRE_GONE,  /* or no memory for what has to wait */
};

/* Accept from a listening handle. False: w is still to be closed. */
bool wire_accept(struct wire *w, uv_loop_t *loop, uv_stream_t *listening,
    const struct wire_calls *calls, void *owner);

/* The client's address: 16 bytes as struct network has them, and text. False: it has none. */
bool wire_peer(
    const struct wire *w, uint8_t address[16], char text[INET6_ADDRSTRLEN]);
/* Of a Unix socket, who connected, by the kernel's word. */
bool wire_account(const struct wire *w, uint32_t *uid);

/*
 * From here on TLS: the handshake goes on by itself, `secured` comes, or `ended` with
 * is_reset when it fails (a line is logged, of so many a second). What was sent before must
 * be out. How long it may take is the owner's to say. False: no memory.
 */
bool wire_secure(struct wire *w, struct tls_context *context);

/*
 * Whether input is wanted; to be called again when the room grew from nothing. The end of the
 * client is noticed only while it is, and during the handshake.
 */
void wire_read(struct wire *w, bool wants);

/* Only while nothing waits; under TLS only once secured. */
enum wire_result wire_send(struct wire *w, struct bytes text);
/* Whether `sent` is still to come. */
bool             wire_is_sending(const struct wire *w);
/* Other connections have their turn before `sent` comes, even when nothing waits. */
void             wire_yield(struct wire *w);
/*
 * Nothing more will be sent; under TLS the client is told so. What he still sends is
 * read, while that is wanted, and thrown away until he ends too.
 */
void             wire_end(struct wire *w);
void             wire_close(struct wire *w);

#endif
