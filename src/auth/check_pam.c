/*
 * By PAM, service "ampel": auth and account. The administrator's modules run in this
 * process, in a thread each, as root.
 */
#include <errno.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/check_inside.h"

#define SERVICE "ampel"
#define SERVICE_FILE "/etc/pam.d/" SERVICE

enum { PASSWD_MEMORY = 8 * 1024 };

static struct checker *
open_pam(
    uv_loop_t *loop, const struct config *config, char *error, size_t size)
{
	struct checker *c;

	(void)loop;
	(void)config;
	/* without it PAM would use that of "other", which hardly fits */
	if (access(SERVICE_FILE, F_OK) == -1) {
		snprintf(error, size, "password_check: " SERVICE_FILE ": %s",
		    strerror(errno));
		return NULL;
	}
	c = calloc(1, sizeof *c);
	if (c == NULL)
		snprintf(error, size, "no memory");
	return c;
}

static void
close_pam(struct checker *c)
{
	free(c);
}

/* --- in a thread of its own --- */

static void
free_responses(struct pam_response *responses, int n)
{
	for (int i = 0; i < n; i++)
		if (responses[i].resp) {
			explicit_bzero(
			    responses[i].resp, strlen(responses[i].resp));
			free(responses[i].resp);
		}
	free(responses);
}

/* False: a question that we have no answer to, or no memory. */
static bool
respond(int style, const char *password, struct pam_response *response)
{
	switch (style) {
	case PAM_PROMPT_ECHO_OFF:
		response->resp = strdup(password);
		return response->resp != NULL;
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		return true;
	default:
		return false;
	}
}

/* Modules ask; what they are not to show on a screen is the password. */
static int
converse(int n, const struct pam_message **messages,
    struct pam_response **responses, void *password)
{
	struct pam_response *r;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	r = calloc((size_t)n, sizeof *r);
	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++)
		if (!respond(messages[i]->msg_style, password, &r[i])) {
			free_responses(r, n);
			return PAM_CONV_ERR;
		}
	*responses = r;
	return PAM_SUCCESS;
}

/* Instead of sleeping: how long somebody waits was decided before. */
static void
no_delay(int code, unsigned microseconds, void *context)
{
	(void)code;
	(void)microseconds;
	(void)context;
}

union delay_item {
	void       (*function)(int code, unsigned microseconds, void *context);
	const void  *item;
};

static int
ask_modules(pam_handle_t *pam, const char *address)
{
	const union delay_item delay = { .function = no_delay };
	int                    code;

	code = pam_set_item(pam, PAM_RHOST, address);
	if (code == PAM_SUCCESS)
		code = pam_set_item(pam, PAM_FAIL_DELAY, delay.item);
	if (code == PAM_SUCCESS)
		code = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (code == PAM_SUCCESS)
		code = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	return code;
}

/* Everything else is somebody's fault, but not the user's: try later. */
static enum password_answer
answer_of(int code)
{
	switch (code) {
	case PAM_SUCCESS:
		return PASSWORD_YES;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_ACCT_EXPIRED:
	case PAM_CRED_EXPIRED:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
		return PASSWORD_NO;
	default:
		return PASSWORD_TRY_LATER;
	}
}

/* What the host's own tables know of him. */
static bool
is_user(const char *name, bool *is_root)
{
	char           memory[PASSWD_MEMORY];
	struct passwd  user, *found = NULL;

	if (getpwnam_r(name, &user, memory, sizeof memory, &found) != 0 || !found)
		return false;
	*is_root = user.pw_uid == 0;
	return true;
}

static void
look(struct check *check)
{
	union {
		const char *constant;
		void       *plain;
	} password = { .constant = check->task->password.p };
	const struct pam_conv talk = { converse, password.plain };
	struct check_result  *result = &check->result;
	pam_handle_t         *pam = NULL;
	bool                  is_root = false;
	int                   code;

	code = pam_start(SERVICE, check->task->user, &talk, &pam);
	if (code == PAM_SUCCESS)
		code = ask_modules(pam, check->task->address);
	result->answer = answer_of(code);
	if (result->answer == PASSWORD_TRY_LATER)
		snprintf(result->why, sizeof result->why, "PAM: %s",
		    pam_strerror(pam, code));
	if (pam)
		pam_end(pam, code);
	result->is_user = is_user(check->task->user, &is_root);
	/* root has no mailbox, and nobody shall try his password from outside */
	if (result->answer == PASSWORD_YES && is_root)
		result->answer = PASSWORD_NO;
}

static bool
start(struct check *check)
{
	struct bytes password = check->task->password;

	/* a NUL would cut it short */
	if (check->task->user[0] == '\0' ||
	    bytes_find(password, '\0') != password.n)
		return check_soon(check, PASSWORD_NO, "");
	return check_in_thread(check, look);
}

const struct check_way check_pam = {
	.check_size = sizeof(struct check),
	.open = open_pam,
	.close = close_pam,
	.start = start,
	.cancel = check_cancel_in_thread,
};
