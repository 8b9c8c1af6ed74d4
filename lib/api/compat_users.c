/* compat_users.c - the console's login, for scripts that begin with one.
 *
 * Who is let in is decided by address and API key (README-compat.md); these calls say so in the shapes
 * of Ant Media's console, and none of them lets anybody in. */
#include "api/compat_internal.h"

void compat_login(struct api_call *c)
{
	bool in = compat_of(c)->trusted || compat_of(c)->keyed || sg_http_is_local(c->req);

	if (in)
		compat_result(c, 200, true, "{\"system\":\"ADMIN\"}", NULL);
	else
		compat_result(c, 200, false,
		    "send an API key: Authorization: Bearer sgk_...; 'tokenctl apikey create' "
		    "makes one",
		    NULL);
}

void compat_logout(struct api_call *c)
{
	compat_result(c, 200, true, NULL, NULL);
}

void compat_login_status(struct api_call *c)
{
	bool in = compat_of(c)->trusted || compat_of(c)->keyed || sg_http_is_local(c->req);

	compat_result(c, 200, in, NULL, NULL);
}

void compat_first_login(struct api_call *c)
{
	char hash[SG_PASSWORD_HASH_SIZE];
	enum sg_result res = sg_store_password_get(c->store, hash);

	sg_wipe(hash, sizeof(hash));
	if (res == SG_OK || res == SG_ERR_NOT_FOUND)
		compat_result(c, 200, res == SG_ERR_NOT_FOUND, NULL, NULL);
	else
		compat_store_failed(c, "reading the administrator's password");
}

/* Not from whoever comes first over the network. */
void compat_first_user(struct api_call *c)
{
	compat_result(c, 200, false, "'tokenctl passwd' sets the administrator's password", NULL);
}
