/* What has no setting: files of qmail and of its patches, and what no file says. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "ampel/qmail_import.h"
#include "proto/qmail_control.h"

enum { FILES_MAX = 10000 };

enum kind {
	CARRIED,     /* another part reads it */
	IS_HOSTNAME, /* nothing to say when it holds control/me, its default */
	OTHER,
};

/* Files of control/. */
static const struct {
	const char *name;
	enum kind   kind;
	const char *text;
} files[] = {
	{ "me", CARRIED, NULL },
	{ "locals", CARRIED, NULL },
	{ "rcpthosts", CARRIED, NULL },
	{ "morercpthosts", CARRIED, NULL },
	{ "morercpthosts.cdb", CARRIED, NULL },
	{ "virtualdomains", CARRIED, NULL },
	{ "databytes", CARRIED, NULL },
	{ "timeoutsmtpd", CARRIED, NULL },
	{ "timeoutremote", CARRIED, NULL },
	{ "timeoutconnect", CARRIED, NULL },
	{ "queuelifetime", CARRIED, NULL },
	{ "concurrencyremote", CARRIED, NULL },
	{ "doublebounceto", CARRIED, NULL },
	{ "doublebouncehost", CARRIED, NULL },
	{ "smtproutes", CARRIED, NULL },
	/* stock qmail */
	{ "badmailfrom", OTHER, "its senders were refused; Ampel has no such list: "
	    "a filter block with check can refuse them" },
	{ "percenthack", OTHER, "user%host@domain was sent on to user@host; Ampel "
	    "never does, and refuses such addresses from strangers "
	    "(refuse_relay_probes)" },
	{ "concurrencylocal", OTHER, "how many deliveries ran here at a time; Ampel "
	    "has no such setting" },
	{ "bouncefrom", OTHER, "notifications come from MAILER-DAEMON" },
	{ "bouncehost", IS_HOSTNAME, "notifications come from the hostname" },
	{ "envnoathost", IS_HOSTNAME, "an address without a domain is of the "
	    "hostname" },
	{ "helohost", IS_HOSTNAME, "Ampel says its hostname in EHLO" },
	{ "localiphost", IS_HOSTNAME, "user@[this host's address] is taken if "
	    "domains has \"[address]\"" },
	{ "smtpgreeting", IS_HOSTNAME, "Ampel greets with its hostname" },
	{ "defaultdomain", IS_HOSTNAME, "completed addresses in what programs of "
	    "this host send; sendmail(8) puts the hostname there" },
	{ "defaulthost", IS_HOSTNAME, "completed addresses in what programs of this "
	    "host send; sendmail(8) puts the hostname there" },
	{ "plusdomain", IS_HOSTNAME, "completed addresses that end in '+'; Ampel "
	    "does not" },
	{ "idhost", IS_HOSTNAME, "was the host in Message-IDs; Ampel's have the "
	    "hostname" },
	{ "qmqpservers", OTHER, "handed mail to other hosts by QMQP, which Ampel does "
	    "not speak; a route \"*\" sends all to one by SMTP" },
	/* of the usual ways to set qmail up */
	{ "defaultdelivery", OTHER, "was the default delivery; Ampel's is Maildir in "
	    "the home: for others, a .qmail file says it" },
	{ "concurrencyincoming", OTHER, "how many sessions tcpserver allowed; that "
	    "is the setting sessions" },
	/* of well-known patches */
	{ "servercert.pem", OTHER, "is the certificate and its key: see the tls "
	    "block in the ampel.conf" },
	{ "clientcert.pem", OTHER, "was shown to other hosts; Ampel shows them none" },
	{ "clientca.pem", OTHER, "let clients relay by their certificates; Ampel "
	    "wants a password" },
	{ "clientcrl.pem", OTHER, "let clients relay by their certificates; Ampel "
	    "wants a password" },
	{ "tlsclients", OTHER, "let clients relay by their certificates; Ampel wants "
	    "a password" },
	{ "tlshosts", OTHER, "said whose certificates are checked: a route block "
	    "with tls = verify does" },
	{ "tlsserverciphers", OTHER, "Ampel has no setting for ciphers" },
	{ "tlsclientciphers", OTHER, "Ampel has no setting for ciphers" },
	{ "rsa512.pem", OTHER, "is not needed" },
	{ "rsa2048.pem", OTHER, "is not needed" },
	{ "dh512.pem", OTHER, "is not needed" },
	{ "dh1024.pem", OTHER, "is not needed" },
	{ "dh2048.pem", OTHER, "is not needed" },
	{ "smtpauth", OTHER, "was about passwords for sending: see the listeners "
	    "smtps and submission" },
	{ "smtproutes.cdb", OTHER, "is of a patch: only smtproutes was read" },
	{ "badmailto", OTHER, "its recipients were refused; Ampel has no such list" },
	{ "badrcptto", OTHER, "its recipients were refused; Ampel has no such list" },
	{ "badhelo", OTHER, "clients with such names were refused; Ampel has no such "
	    "list" },
	{ "spfbehavior", OTHER, "SPF was checked; Ampel does not, a filter can" },
	{ "simcontrol", OTHER, "is of simscan: filter blocks do that" },
	{ "validrcptto.cdb", OTHER, "was the list of recipients; Ampel knows who "
	    "exists" },
	{ "validrcptto", OTHER, "was the list of recipients; Ampel knows who exists" },
};

static bool
is_hostname(struct qmail_import *import, const char *name)
{
	struct bytes text;

	return qmail_read(import, name, QMAIL_CONTROL_MAX, &text, NULL) ==
	    QMAIL_FILE_READ &&
	    bytes_equal_nocase(qmail_control_line(text), import->hostname);
}

static void
say_file(struct qmail_import *import, const char *name)
{
	char   path[QMAIL_PATH_MAX];
	size_t i = 0, n = sizeof files / sizeof files[0];

	while (i < n && strcmp(files[i].name, name) != 0)
		i++;
	snprintf(path, sizeof path, "control/%s", name);
	if (i == n)
		qmail_report_add(&import->left, path, 0,
		    "is not of qmail itself but of a patch or a script: nothing of "
		    "it is carried over");
	else if (files[i].kind == OTHER ||
	    (files[i].kind == IS_HOSTNAME && !is_hostname(import, path)))
		qmail_report_add(&import->left, path, 0, "%s", files[i].text);
}

/* --- all of control/ --- */

/* In the order of their names, whatever the file system's is. */
static void
say_control(struct qmail_import *import)
{
	struct qmail_names names = { .n = 0 };
	char               path[QMAIL_PATH_MAX];
	struct dirent     *entry;
	DIR               *folder;

	snprintf(path, sizeof path, "%s/control", import->folder);
	folder = opendir(path);
	while (folder && names.n < FILES_MAX && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			qmail_names_add(import, &names, arena_copy(&import->arena,
			    bytes_of(entry->d_name)));
	qmail_names_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		say_file(import, names.v[i].p);
	if (folder)
		closedir(folder);
	qmail_names_finish(&names);
}

/* --- what is in no file --- */

static const struct {
	const char *what;
	const char *text;
} unwritten[] = {
	{ "qmail-start", "its argument, the default delivery, is in no file here: "
	    "Ampel delivers to Maildir in the home unless a .qmail file says "
	    "otherwise; where it was ./Mailbox, convert them or write .qmail files" },
	{ "conf-break", "the character before extensions is in no file here: Ampel "
	    "takes '-', qmail's own" },
	{ "passwords", "who checked them (checkpassword) is in no file here: set "
	    "password_check, or nobody can log in; pam takes those of this host" },
	{ "queue", "what waits in qmail's queue stays there: let qmail-send go on "
	    "until qmail-qstat counts nothing" },
};

void
qmail_rest(struct qmail_import *import)
{
	say_control(import);
	for (size_t i = 0; i < sizeof unwritten / sizeof unwritten[0]; i++)
		qmail_report_add(&import->left, unwritten[i].what, 0, "%s",
		    unwritten[i].text);
}
