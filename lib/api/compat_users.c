/* compat_users.c - the console's login. */
#include "api/compat_internal.h"

void compat_login(struct api_call *c)
{
	compat_result(c, 200, false, "sign in at /, or use an API key", NULL);
}

void compat_logout(struct api_call *c)
{
	compat_result(c, 200, true, NULL, NULL);
}

void compat_login_status(struct api_call *c)
{
	compat_result(c, 200, compat_of(c)->trusted, NULL, NULL);
}

void compat_first_login(struct api_call *c)
{
	compat_result(c, 200, false, NULL, NULL);
}

void compat_first_user(struct api_call *c)
{
	compat_result(c, 200, false, "'tokenctl passwd' sets the first password", NULL);
}
