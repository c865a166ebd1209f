#include "ampel/role.h"

#include "mail/listener.h"

static const struct {
	const char      *program;
	const char      *name;
	enum config_part part;
	bool             is_jailed;
} roles[] = {
	[ROLE_SMTPD] = { "ampel-smtpd", "smtpd", PART_SMTPD, true },
	[ROLE_LOOKUP] = { "ampel-lookup", "lookup", PART_LOOKUP, false },
	[ROLE_HIQ] = { "ampel-hiq", "hiq", PART_HIQ, false },
	[ROLE_QUEUE] = { "ampel-queue", "queue", PART_QUEUE, false },
	[ROLE_DELIVER] = { "ampel-deliver", "deliver", PART_DELIVER, false },
	[ROLE_AUTH] = { "ampel-auth", "auth", PART_AUTH, false },
	[ROLE_POP3D] = { "ampel-pop3d", "pop3d", PART_POP3D, true },
	[ROLE_MAILBOX] = { "ampel-mailbox", "mailbox", PART_MAILBOX, false },
	[ROLE_REMOTE] = { "ampel-remote", "remote", PART_REMOTE, true },
	[ROLE_DNS] = { "ampel-dns", "dns", PART_DNS, true },
	[ROLE_FETCH] = { "ampel-fetch", "fetch", PART_FETCH, true },
};

const char *
role_program(enum peer_role role)
{
	return roles[role].program;
}

const char *
role_name(enum peer_role role)
{
	return roles[role].name;
}

enum config_part
role_part(enum peer_role role)
{
	return roles[role].part;
}

bool
role_is_jailed(enum peer_role role)
{
	return roles[role].is_jailed;
}

bool
role_is_listener(enum peer_role role)
{
	return role == ROLE_SMTPD || role == ROLE_POP3D;
}

enum peer_role
role_of_listener(struct bytes listener)
{
	const struct listener_policy *policy = listener_policy(listener);

	return policy && policy->protocol == LISTENER_POP3 ? ROLE_POP3D
	                                                   : ROLE_SMTPD;
}

bool
role_needs_auth(struct bytes listener)
{
	const struct listener_policy *policy = listener_policy(listener);

	return policy && policy->auth;
}

bool
role_has_users(struct bytes listener)
{
	const struct listener_policy *policy = listener_policy(listener);

	return policy && (policy->auth || policy->is_local);
}

bool
role_is_served(const struct config *config, enum peer_role role, bool has_users)
{
	for (size_t i = 0; i < config->n_listen; i++)
		if (role_of_listener(config->listen[i].name) == role &&
		    role_has_users(config->listen[i].name) == has_users)
			return true;
	return false;
}

bool
role_is_auth_needed(const struct config *config)
{
	for (size_t i = 0; i < config->n_listen; i++)
		if (role_needs_auth(config->listen[i].name))
			return true;
	return false;
}
