#include "proto/pop3_server_private.h"

#include "base/number.h"

/* RFC 2449. The same in every state: nothing here depends on who logged in. */
static void
tell_capabilities(struct pop3_server *s, struct bytes arg)
{
	(void)arg;
	buf_add_string(&s->out,
	    "+OK\r\n"
	    "TOP\r\n"
	    "USER\r\n"
	    "SASL PLAIN\r\n"
	    "RESP-CODES\r\n"
	    "AUTH-RESP-CODE\r\n"
	    "PIPELINING\r\n"
	    "UIDL\r\n"
	    "UTF8\r\n"
	    "IMPLEMENTATION Ampel\r\n"
	    ".\r\n");
}

/* RFC 6856 section 2: messages go out as they are stored, with it and without. */
static void
allow_utf8(struct pop3_server *s, struct bytes arg)
{
	(void)arg;
	pop3_server_accept(s, "UTF-8 it is");
}

static void
do_nothing(struct pop3_server *s, struct bytes arg)
{
	(void)arg;
	pop3_server_accept(s, "done nothing");
}

static void
leave(struct pop3_server *s, struct bytes arg)
{
	(void)arg;
	pop3_server_accept(s, "bye");
	pop3_server_end(s);
}

/* RFC 1939 section 6: only this leads from TRANSACTION to UPDATE. */
static void
update(struct pop3_server *s, struct bytes arg)
{
	(void)arg;
	pop3_server_ask(s, POP3_QUESTION_UPDATE);
}

/* --- messages and their numbers --- */

static bool
parse_number(struct pop3_server *s, struct bytes text, uint64_t *number)
{
	if (number_parse(text, UINT64_MAX, number))
		return true;
	pop3_server_blame(s, "a number is missing or garbled");
	return false;
}

/* A message that is there and not deleted. False: the client was told. */
static bool
find_message(struct pop3_server *s, struct bytes text)
{
	uint64_t number;

	if (!parse_number(s, text, &number))
		return false;
	if (number == 0)
		pop3_server_reject(s, "messages are counted from 1");
	else if (number > s->maildrop.n_messages)
		pop3_server_reject(s, "no such message");
	else if (pop3_maildrop_is_deleted(&s->maildrop, (size_t)number))
		pop3_server_reject(s, "already deleted");
	else {
		s->number = (size_t)number;
		return true;
	}
	return false;
}

static void
tell_status(struct pop3_server *s, struct bytes arg)
{
	const struct pop3_maildrop *m = &s->maildrop;

	(void)arg;
	buf_add_string(&s->out, "+OK ");
	buf_add_number(&s->out, m->n_messages - m->n_deleted);
	buf_add_char(&s->out, ' ');
	buf_add_number(&s->out, m->octets_left);
	buf_add_string(&s->out, "\r\n");
}

/* Its scan listing, or its unique-id listing. */
static void
add_entry(struct pop3_server *s, size_t number)
{
	struct maildrop_message message = pop3_maildrop_at(&s->maildrop, number);

	buf_add_number(&s->out, number);
	buf_add_char(&s->out, ' ');
	if (s->is_uidl)
		buf_add_bytes(&s->out, message.uid);
	else
		buf_add_number(&s->out, message.octets);
	buf_add_string(&s->out, "\r\n");
}

static void
list(struct pop3_server *s, struct bytes arg, bool is_uidl)
{
	s->is_uidl = is_uidl;
	if (arg.n == 0) {
		pop3_server_accept(s, "the list follows");
		s->number = 1;
		s->state = POP3_STATE_LISTING;
	} else if (find_message(s, arg)) {
		buf_add_string(&s->out, "+OK ");
		add_entry(s, s->number);
	}
}

static void
list_octets(struct pop3_server *s, struct bytes arg)
{
	list(s, arg, false);
}

static void
list_uids(struct pop3_server *s, struct bytes arg)
{
	list(s, arg, true);
}

void
pop3_dialog_list(struct pop3_server *s)
{
	const struct pop3_maildrop *m = &s->maildrop;

	while (s->number <= m->n_messages && s->out.len < POP3_OUTPUT_HIGH) {
		if (!pop3_maildrop_is_deleted(m, s->number))
			add_entry(s, s->number);
		s->number++;
	}
	if (s->number <= m->n_messages)
		return;
	buf_add_string(&s->out, ".\r\n");
	s->state = POP3_STATE_TRANSACTION;
}

static void
retrieve(struct pop3_server *s, struct bytes arg)
{
	if (!find_message(s, arg))
		return;
	s->is_top = false;
	s->text = pop3_text_of(POP3_TEXT_WHOLE);
	pop3_server_ask(s, POP3_QUESTION_MESSAGE);
}

static void
retrieve_top(struct pop3_server *s, struct bytes arg)
{
	size_t   blank = bytes_find(arg, ' ');
	uint64_t lines;

	if (!parse_number(s, bytes_trim(bytes_from(arg, blank)), &lines) ||
	    !find_message(s, bytes_first(arg, blank)))
		return;
	s->is_top = true;
	s->text = pop3_text_of(lines);
	pop3_server_ask(s, POP3_QUESTION_MESSAGE);
}

static void
delete(struct pop3_server *s, struct bytes arg)
{
	if (!find_message(s, arg))
		return;
	s->out.failed |= !pop3_maildrop_delete(&s->maildrop, s->number);
	pop3_server_accept(s, "deleted, once you QUIT");
}

static void
reset(struct pop3_server *s, struct bytes arg)
{
	(void)arg;
	pop3_maildrop_reset(&s->maildrop);
	pop3_server_accept(s, "nothing is deleted");
}

/* --- which command may come when --- */

enum argument_rule { ARGUMENT_ANY, ARGUMENT_NONE, ARGUMENT_NEEDED, ARGUMENT_RAW };

typedef void handler(struct pop3_server *s, struct bytes arg);

/* clang-format off */
#define IN_AUTHORIZATION(handle) { [POP3_STATE_AUTHORIZATION] = (handle) }
#define IN_TRANSACTION(handle)   { [POP3_STATE_TRANSACTION] = (handle) }
#define IN_BOTH(handle, other) \
	{ [POP3_STATE_AUTHORIZATION] = (handle), [POP3_STATE_TRANSACTION] = (other) }

/* An empty cell means refusal. */
static const struct command {
	struct bytes       verb;
	enum argument_rule argument;
	handler           *handle[POP3_STATES];
} commands[] = {
	{ BYTES_INIT("RETR"), ARGUMENT_NEEDED, IN_TRANSACTION(retrieve) },
	{ BYTES_INIT("DELE"), ARGUMENT_NEEDED, IN_TRANSACTION(delete) },
	{ BYTES_INIT("TOP"),  ARGUMENT_NEEDED, IN_TRANSACTION(retrieve_top) },
	{ BYTES_INIT("UIDL"), ARGUMENT_ANY,    IN_TRANSACTION(list_uids) },
	{ BYTES_INIT("LIST"), ARGUMENT_ANY,    IN_TRANSACTION(list_octets) },
	{ BYTES_INIT("STAT"), ARGUMENT_NONE,   IN_TRANSACTION(tell_status) },
	{ BYTES_INIT("RSET"), ARGUMENT_NONE,   IN_TRANSACTION(reset) },
	{ BYTES_INIT("NOOP"), ARGUMENT_NONE,   IN_TRANSACTION(do_nothing) },
	{ BYTES_INIT("QUIT"), ARGUMENT_NONE,   IN_BOTH(leave, update) },
	{ BYTES_INIT("CAPA"), ARGUMENT_NONE,   IN_BOTH(tell_capabilities, tell_capabilities) },
	{ BYTES_INIT("UTF8"), ARGUMENT_NONE,   IN_AUTHORIZATION(allow_utf8) },
	{ BYTES_INIT("USER"), ARGUMENT_NEEDED, IN_AUTHORIZATION(pop3_login_user) },
	/* RFC 1939 section 7: the blanks belong to the password. */
	{ BYTES_INIT("PASS"), ARGUMENT_RAW,    IN_AUTHORIZATION(pop3_login_pass) },
	{ BYTES_INIT("AUTH"), ARGUMENT_NEEDED, IN_AUTHORIZATION(pop3_login_auth) },
};
/* clang-format on */

static const struct command *
find_command(struct bytes verb)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (bytes_equal_nocase(verb, commands[i].verb))
			return &commands[i];
	return NULL;
}

static bool
argument_fits(enum argument_rule rule, struct bytes arg)
{
	return rule == ARGUMENT_ANY || (rule == ARGUMENT_NONE) == (arg.n == 0);
}

static bool
is_text(struct bytes line)
{
	return bytes_find(line, '\r') == line.n && bytes_find(line, '\0') == line.n;
}

void
pop3_dialog_command(struct pop3_server *s, struct bytes line)
{
	size_t                blank = bytes_find(line, ' ');
	const struct command *command = find_command(bytes_first(line, blank));
	struct bytes          arg = bytes_from(line, blank + 1);

	if (command == NULL || !is_text(line)) {
		pop3_server_blame(s, "no such command here");
		return;
	}
	if (command->argument != ARGUMENT_RAW)
		arg = bytes_trim(arg);
	if (command->handle[s->state] == NULL)
		pop3_server_blame(s, s->state == POP3_STATE_AUTHORIZATION
		        ? "log in first" : "you are logged in already");
	else if (!argument_fits(command->argument, arg))
		pop3_server_blame(s, "wrong number of arguments");
	else
		command->handle[s->state](s, arg);
}
