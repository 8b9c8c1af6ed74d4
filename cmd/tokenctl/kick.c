/* kick.c - tokenctl kick: ends one session. Its token stays as spent as it is. */
#include "tokenctl.h"
#include <stdio.h>

int ctl_kick(struct ctl *c)
{
	const char *id = c->args[0];
	char path[64];
	uint64_t number;
	json_t *answer;
	int res;

	if (!sg_id_parse(sg_str_from(id), &number))
		return ctl_fail(CTL_UNKNOWN,
		    "there is no session '%s': 'tokenctl sessions' lists them", CTL_SHOW(id));
	snprintf(path, sizeof(path), "/api/v1/sessions/%s", id);
	res = ctl_call(c, "DELETE", path, NULL, "", &answer);
	json_decref(answer);
	if (res == CTL_UNKNOWN)
		return ctl_fail(CTL_UNKNOWN,
		    "there is no session '%s': 'tokenctl sessions' lists them", CTL_SHOW(id));
	if (res != CTL_DONE)
		return res;
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{sb ss}", "success", 1, "id", id));
	else
		ctl_printf(c, ctl_format(c) == CTL_TABLE ? "session %s ended\n" : "%s\n", id);
	return CTL_DONE;
}
