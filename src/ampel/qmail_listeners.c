/* The end of the ampel.conf: who may connect, and where. */
#include "ampel/qmail_import.h"

static const char others[] =
    "\n"
    "# Users send by smtps and fetch their mail by pop3s, both with a password.\n"
    "# Take out what qmail did not offer.\n"
    "listen smtps { address = { \"0.0.0.0:465\", \"[::]:465\" } }\n"
    "listen pop3s { address = { \"0.0.0.0:995\", \"[::]:995\" } }\n"
    "\n"
    "# What programs of this host send, by sendmail(8) and ampel-inject(8).\n"
    "listen local { }\n"
    "\n"
    "# Who checks passwords was in no file of qmail. Those of the host are checked by PAM,\n"
    "# once there is /etc/pam.d/ampel, see ampel-auth(8):\n"
    "# password_check = pam\n";

static void
add_certificate(struct qmail_import *import)
{
	static const char name[] = "control/servercert.pem";
	struct stat       st;

	if (!qmail_stat(import, name, &st))
		return;
	buf_addf(&import->conf,
	    "\n"
	    "# control/servercert.pem has the certificate and its key; nobody but root\n"
	    "# may read it.\n"
	    "# tls {\n"
	    "#         certificate = \"%s/%s\"\n"
	    "#         key         = \"%s/%s\"\n"
	    "# }\n",
	    import->folder, name, import->folder, name);
}

void
qmail_listeners(struct qmail_import *import)
{
	bool has_rules = qmail_rules(import);

	qmail_heading(import, "Mail from everywhere");
	buf_add_string(&import->conf,
	    "listen smtp {\n"
	    "        address = { \"0.0.0.0:25\", \"[::]:25\" }\n");
	if (has_rules)
		buf_addf(&import->conf,
		    "        # tcpserver's: who may connect, and who may relay\n"
		    "        rules   = \"%s/%s\"\n",
		    import->beside, qmail_beside_name(QMAIL_RULES));
	buf_add_string(&import->conf, "}\n");
	buf_add_string(&import->conf, others);
	add_certificate(import);
}
