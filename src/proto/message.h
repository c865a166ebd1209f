/*
 * Every message between Ampel's processes, with its fields. The one list; structs,
 * encoders and decoders are made from it. For a message NAME:
 *
 *     struct msg_name                            its fields; bytes borrow
 *     void msg_name_add(struct buf *, const struct msg_name *)
 *     bool msg_name_read(struct bytes frame, struct msg_name *)
 *
 * Reading is false unless the frame has that type, every field, and nothing more.
 * Who may send what is in the permit table of each receiving side. "q" is the number
 * of a question, chosen by the asker, returned in the answer. "fd" lines name the
 * descriptors that travel with the frame.
 */
#ifndef AMPEL_PROTO_MESSAGE_H
#define AMPEL_PROTO_MESSAGE_H

#include "proto/frame.h"

/* clang-format off */
#define MESSAGES(M) \
	/* Supervisor -> child. fd: the configuration part, a memory file; second fd, when \
	 * there is one: its secrets. Of a listener's worker, whose ticket_key is then not \
	 * empty, the keys and certificates for TLS, one text in PEM; of remote the passwords \
	 * of routes. uid and gid count when drop is 1; directory is the child's own folder, \
	 * its new root when chroot is 1. */ \
	M(config, CONFIG, F(u64, generation) F(u8, drop) F(u32, uid) F(u32, gid) \
	    F(u8, chroot) F(bytes, directory) F(bytes, name) F(bytes, ticket_key)) \
	/* Child -> supervisor: the configuration is understood, privileges are dropped. */ \
	M(prepared, PREPARED, F(u64, generation)) \
	M(refused, REFUSED, F(u64, generation) F(bytes, text)) \
	/* Supervisor -> child: work with that configuration. */ \
	M(use, USE, F(u64, generation)) \
	/* Child -> supervisor: it does. */ \
	M(ready, READY, F(u64, generation)) \
	/* fd: a listening socket of the listen block called name. */ \
	M(listen, LISTEN, F(bytes, name) F(bytes, address)) \
	/* fd: one end of a fresh socketpair. serial names the process at the other end \
	 * (it changes when that is restarted). */ \
	M(peer, PEER, F(u8, role) F(u64, serial) F(bytes, name)) \
	/* Finish what is in flight, begin nothing, then exit 0. */ \
	M(stop, STOP, F(u8, unused)) \
	/* To the queue: lease nothing more (1), or again (0). */ \
	M(pause, PAUSE, F(u8, on)) \
	/* Child -> supervisor and back: figures for `ampel status`, as "name value, ...". */ \
	M(stats, STATS, F(u64, q) F(bytes, text)) \
	/* Supervisor -> queue: everything is due now. Queue -> remote: what was found to be \
	 * down is tried again. */ \
	M(retry_all, RETRY_ALL, F(u8, unused)) \
	/* Queue, lookup -> supervisor: deliver for user NAME; or for whom an assignment is, by its \
	 * key (proto/assign.h). */ \
	M(want_deliver, WANT_DELIVER, F(bytes, user)) \
	/* The answer: result is an enum want_result; serial names the deliver process \
	 * whose PEER came before. */ \
	M(deliver_for, DELIVER_FOR, F(bytes, user) F(u8, result) F(u64, serial) F(bytes, text)) \
	/* Supervisor -> deliver: you deliver for this user too; and deliver's answer. */ \
	M(user, USER, F(bytes, name) F(bytes, home) F(bytes, login)) /* to mailbox: before its PEER; \
	 * login: what his programs are told that he is called */ \
	M(user_known, USER_KNOWN, F(bytes, name)) \
	\
	/* smtpd -> lookup: may that address connect, and relay? */ \
	M(ask_connect, ASK_CONNECT, F(u64, q) F(bytes, listener) F(bytes, address)) \
	/* By its rules: suffix is put behind each recipient; size_max counts when has_size_max, 0: \
	 * no limit; peer_name: its verified name, when rules asked for it. */ \
	M(connect, CONNECT, F(u64, q) F(u8, allowed) F(u8, inside) F(bytes, suffix) \
	    F(u8, has_size_max) F(u64, size_max) F(bytes, peer_name)) \
	/* smtpd -> lookup: does that recipient exist? address is canonical; user: who \
	 * authenticated, and what he may send in a day counts. */ \
	M(ask_recipient, ASK_RECIPIENT, F(u64, q) F(bytes, address) F(bytes, user)) \
	M(recipient, RECIPIENT, F(u64, q) F(u8, answer)) \
	/* smtpd -> lookup: is that reverse-path, canonical, the user's own? */ \
	M(ask_sender, ASK_SENDER, F(u64, q) F(bytes, user) F(bytes, address)) \
	M(sender, SENDER, F(u64, q) F(u8, is_own)) \
	/* queue -> lookup: where does it go? kind is an enum route_kind; targets is a \
	 * list made with frame_add_bytes, or travels as fd when is_large. */ \
	M(ask_route, ASK_ROUTE, F(u64, q) F(bytes, address)) \
	M(route, ROUTE, F(u64, q) F(u8, kind) F(bytes, user) F(bytes, extension) \
	    F(u8, is_qmail) F(bytes, local) F(bytes, dash) \
	    F(bytes, owner) F(bytes, targets) F(u8, is_large)) \
	/* lookup -> deliver: has that user a .qmail file for it (mail/directory.h)? answer is an \
	 * enum extension_answer. */ \
	M(ask_extension, ASK_EXTENSION, F(u64, q) F(bytes, user) F(bytes, dash) \
	    F(bytes, extension)) \
	M(extension, EXTENSION, F(u64, q) F(u8, answer)) \
	\
	/* smtpd -> lookup: what is the account of that uid called? Unknown: name is empty. */ \
	M(ask_account, ASK_ACCOUNT, F(u64, q) F(u32, uid)) \
	M(account, ACCOUNT, F(u64, q) F(bytes, name)) \
	\
	/* remote, fetch, the administrator -> dns: the records of a name. type: as in the \
	 * DNS (15: MX). */ \
	M(ask_dns, ASK_DNS, F(u64, q) F(u16, type) F(bytes, name)) \
	/* result is an enum dns_result; is_secure: DNSSEC proves the answer, also that there \
	 * is nothing. ttl in seconds. canonical: where the chain of CNAMEs ends. records: the \
	 * data of n records, a list made with frame_add_bytes, names in it not compressed, \
	 * or it travels as fd when is_large. text: for people, why there is no answer. */ \
	M(dns, DNS, F(u64, q) F(u8, result) F(u8, is_secure) F(u32, ttl) F(bytes, canonical) \
	    F(u32, n) F(bytes, records) F(u8, is_large) F(bytes, text)) \
	/* remote -> fetch: what has that domain published by MTA-STS (RFC 8461)? */ \
	M(ask_policy, ASK_POLICY, F(u64, q) F(bytes, domain)) \
	/* mode is an enum sts_mode; patterns: of its n mail hosts, a list made with \
	 * frame_add_bytes. text: for the log, why there is none although one is announced. */ \
	M(policy, POLICY, F(u64, q) F(u8, mode) F(u32, n) F(bytes, patterns) F(bytes, text)) \
	\
	/* smtpd, pop3d -> auth: is that his password? address is the client's, numeric. \
	 * From pop3d, fd: the socket on which a mailbox is wanted after a yes. */ \
	M(ask_password, ASK_PASSWORD, F(u64, q) F(bytes, listener) F(bytes, address) \
	    F(bytes, user) F(bytes, password)) \
	/* answer is an enum password_answer; user, after a yes: his name as we spell it. */ \
	M(password, PASSWORD, F(u64, q) F(u8, answer) F(bytes, user)) \
	/* Auth -> supervisor, after its own yes. fd: the socket for the mailbox. It is closed \
	 * when no mailbox comes. */ \
	M(want_mailbox, WANT_MAILBOX, F(bytes, user)) \
	\
	/* mailbox -> pop3d, first: the maildrop as it is now, n messages. fd: their list, \
	 * proto/maildrop.h, unless n is 0. Not ok: text says why, for people. */ \
	M(maildrop, MAILDROP, F(u8, ok) F(u32, n) F(bytes, text)) \
	/* pop3d -> mailbox: open n messages from that number on (the first is 1). */ \
	M(ask_message, ASK_MESSAGE, F(u32, number) F(u32, n)) \
	/* The answer, several frames in the order of numbers. fds: those of n messages, \
	 * open for reading; n is 0: that one is gone. */ \
	M(message, MESSAGE, F(u32, number) F(u8, n)) \
	/* These are to be removed, a list of u32; several frames, then UPDATE. */ \
	M(remove, REMOVE, F(bytes, numbers)) \
	M(update, UPDATE, F(u8, unused)) \
	/* It is done; so many could not be removed. mailbox then ends. */ \
	M(updated, UPDATED, F(u32, failed)) \
	\
	/* Submission, smtpd -> hiq or queue, hiq -> queue. fd: the sealed message; \
	 * when is_large, second fd: the envelope as a sealed memory file. */ \
	M(submit, SUBMIT, F(u64, q) F(bytes, envelope) F(u8, is_large)) \
	M(cancel, CANCEL, F(u64, q)) \
	/* code 250, 451, 452, 554, ...; class 0 when there is no enhanced status code. */ \
	M(result, RESULT, F(u64, q) F(u16, code) F(u8, class) F(u16, subject) \
	    F(u16, detail) F(bytes, text)) \
	/* That many more submissions may be sent. */ \
	M(credit, CREDIT, F(u32, n)) \
	\
	/* queue <-> deliver, remote. The agent's first frame: what it is doing or has done and not \
	 * been acknowledged; jobs is a list of (id, recipient). */ \
	M(hello, HELLO, F(u32, n) F(bytes, jobs)) \
	/* fd: the body. repeated: an earlier attempt may have delivered unreported. */ \
	M(deliver, DELIVER, F(u64, token) F(bytes, id) F(u32, recipient) F(u8, repeated) \
	    F(bytes, user) F(bytes, extension) F(u8, is_qmail) F(bytes, local) F(bytes, dash) \
	    F(bytes, address) F(bytes, reverse_path) F(u8, colour) F(u64, size)) \
	/* To remote. fd: the body. What the envelope says of it: mail/envelope.h. */ \
	M(remote, REMOTE, F(u64, token) F(bytes, id) F(u32, recipient) F(u8, repeated) \
	    F(bytes, address) F(bytes, reverse_path) F(u64, size) F(u8, body) F(u8, smtputf8) \
	    F(u8, ret) F(bytes, envid) F(u8, notify) F(bytes, orcpt)) \
	/* As struct outcome, mail/outcome.h. With forward_id, a message that it causes, struct \
	 * job_forward of service/jobs.h: fd: that; targets is a list of n addresses, or travels as \
	 * second fd when is_large. */ \
	M(outcome, OUTCOME, F(u64, token) F(bytes, id) F(u32, recipient) F(u8, kind) \
	    F(u8, class) F(u16, subject) F(u16, detail) F(bytes, text) F(bytes, host) \
	    F(bytes, protection) F(u8, is_reply) F(u8, is_handed_on) F(u8, is_down) \
	    F(bytes, forward_id) F(bytes, forward_path) F(u64, forward_size) F(u32, n) \
	    F(bytes, targets) F(u8, is_large)) \
	/* The outcome is safe in the store; the agent may forget it. */ \
	M(finished, FINISHED, F(bytes, id) F(u32, recipient)) \
	\
	/* ampel -> supervisor, on its control socket. verb is an enum command_verb; names a \
	 * list, empty for all. line: one per service; done ends it. */ \
	M(command, COMMAND, F(u8, verb) F(bytes, names)) \
	M(line, LINE, F(bytes, name) F(u8, ok) F(bytes, state) F(bytes, text)) \
	M(done, DONE, F(u8, exit_code) F(bytes, text)) \
	\
	/* ampel -> queue. Rows come in the order of ids, at most limit, then DONE. */ \
	M(ask_rows, ASK_ROWS, F(bytes, after) F(u32, limit)) \
	M(row, ROW, F(bytes, id) F(u32, recipient) F(u64, arrival_ms) F(u64, size) \
	    F(bytes, reverse_path) F(bytes, address) F(u8, state) F(u64, due_ms) \
	    F(u32, attempts) F(bytes, text)) \
	/* action is an enum queue_action, of all recipients of id. ACTION_RETRY without an \
	 * id is of all messages. */ \
	M(ask_action, ASK_ACTION, F(u8, action) F(bytes, id)) \
	/* The answer DONE brings the body as fd. */ \
	M(ask_body, ASK_BODY, F(bytes, id))
/* clang-format on */

enum message_type {
	MSG_NONE,
#define M(lower, upper, fields) MSG_##upper,
	MESSAGES(M)
#undef M
	MSG_TYPES
};

typedef struct bytes message_bytes;
typedef uint8_t      message_u8;
typedef uint16_t     message_u16;
typedef uint32_t     message_u32;
typedef uint64_t     message_u64;

#define F(type, name) message_##type name;
#define M(lower, upper, fields) struct msg_##lower { fields };
MESSAGES(M)
#undef M
#undef F

#define F(type, name)
#define M(lower, upper, fields) \
	void msg_##lower##_add(struct buf *b, const struct msg_##lower *m); \
	bool msg_##lower##_read(struct bytes frame, struct msg_##lower *m);
MESSAGES(M)
#undef M
#undef F

/* For logs: "SUBMIT". */
const char *message_name(uint16_t type);

/* What stands at the other end of a PEER. */
enum peer_role {
	ROLE_NONE,
	ROLE_SMTPD,
	ROLE_LOOKUP,
	ROLE_HIQ,
	ROLE_QUEUE,
	ROLE_DELIVER,
	ROLE_AUTH,
	ROLE_POP3D,
	ROLE_MAILBOX,
	ROLE_REMOTE,
	ROLE_DNS,
	ROLE_FETCH,
	ROLE_ADMIN, /* the ampel command */
};

enum want_result { WANT_FAILED, WANT_NO_USER, WANT_READY };

/* The answer to ASK_EXTENSION. */
enum extension_answer { EXTENSION_NO, EXTENSION_YES, EXTENSION_TRY_LATER };

/* The answer to ASK_RECIPIENT. */
enum recipient_answer {
	RECIPIENT_UNKNOWN,
	RECIPIENT_NOT_OURS,
	RECIPIENT_OK,
	RECIPIENT_TRY_LATER,
	RECIPIENT_LIMIT, /* more than that user may send in a day */
};

/* The answer to ASK_PASSWORD. Whoever is told NO never learns which half was wrong. */
enum password_answer { PASSWORD_NO, PASSWORD_YES, PASSWORD_TRY_LATER };

/* Of DNS. */
enum dns_result {
	DNS_TRY_LATER, /* no server answered, a time-out, a chain of CNAMEs without end */
	DNS_FOUND,
	DNS_NO_DATA,   /* the name is there, such records are not */
	DNS_NO_NAME,
	DNS_BOGUS,     /* DNSSEC says that the answer is forged: never to be used */
};

/* Of POLICY. */
enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

enum command_verb {
	VERB_STATUS,
	VERB_START,
	VERB_STOP,
	VERB_RESTART,
	VERB_RELOAD,
	VERB_ZAP,
	VERB_QUEUE, /* DONE brings a PEER of the queue as fd */
	VERB_DNS,   /* and one of dns */
};

enum queue_action { ACTION_HOLD, ACTION_RELEASE, ACTION_RETRY, ACTION_REMOVE };

/* In ROW. */
enum row_state { ROW_QUEUED, ROW_ACTIVE, ROW_HELD };

#endif
