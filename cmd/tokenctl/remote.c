/* remote.c - which streamd is asked from afar, and with which key. */
#include "tokenctl.h"
#include "base/url.h"
#include <stdio.h>
#include <stdlib.h>

static int bad_url(const char *text, const char *why)
{
	return ctl_fail(
	    CTL_USAGE, "--url cannot be '%s': %s, such as http://host:5080", CTL_SHOW(text), why);
}

/* Nothing in it may end a line of the request. */
static bool is_plain(struct sg_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

static void name_it(struct ctl_remote *r, const char *scheme)
{
	bool v6 = strchr(r->host, ':');

	snprintf(r->name, sizeof(r->name), "%s://%s%.230s%s:%s", scheme, v6 ? "[" : "", r->host,
	    v6 ? "]" : "", r->port);
}

static int take_url(struct ctl_remote *r, const char *text)
{
	struct sg_url u;

	if (!is_plain(sg_str_from(text)) || !sg_url_parse(sg_str_from(text), &u))
		return bad_url(text, "that is no URL");
	r->tls = sg_str_equal_nocase(u.scheme, SG_STR("https"));
	if (!r->tls && !sg_str_equal_nocase(u.scheme, SG_STR("http")))
		return bad_url(text, "it begins with http:// or https://");
	if (u.userinfo.p || u.query.p || u.fragment.p)
		return bad_url(text, "it is a host and a port");
	if (!u.host.len || !sg_str_copy(r->host, sizeof(r->host), u.host))
		return bad_url(text, "it names a host");
	if (u.port.len && !u.port_number)
		return bad_url(text, "the port is from 1 to 65535");
	snprintf(r->port, sizeof(r->port), "%u", u.port_number ? u.port_number : r->tls ? 443 : 80);
	while (u.path.len && u.path.p[u.path.len - 1] == '/')
		u.path.len--;
	if (!sg_str_copy(r->prefix, sizeof(r->prefix), u.path.len ? u.path : SG_STR("")))
		return bad_url(text, "its path is too long");
	name_it(r, r->tls ? "https" : "http");
	return CTL_DONE;
}

static int take_key(struct ctl_remote *r, char *arg)
{
	struct sg_buf key;
	int res = ctl_secret_read(arg, "API key", &key);

	if (res == CTL_DONE && !key.len)
		res = ctl_fail(CTL_USAGE, "there is no API key in it: 'tokenctl apikey create' "
					  "makes one on the server");
	if (res == CTL_DONE &&
	    (!is_plain((struct sg_str){(char *)key.p, key.len}) ||
		!sg_str_copy(r->key, sizeof(r->key), (struct sg_str){(char *)key.p, key.len})))
		res = ctl_fail(CTL_USAGE,
		    "that is no API key: it is sgk_ and 32 characters, and nothing else");
	ctl_secret_free(&key);
	return res;
}

/* --key-file, else --key, else the environment; none at all is for the server to judge. */
static int find_key(const struct ctl *c, struct ctl_remote *r)
{
	const char *file = c->opt[OPT_KEY_FILE], *key = c->opt[OPT_KEY];
	const char *env = getenv("STREAMGATE_API_KEY");
	char arg[4200];
	int res = CTL_DONE;

	if (file && key)
		return ctl_fail(CTL_USAGE, "--key-file and --key exclude each other: choose one");
	if (file)
		snprintf(arg, sizeof(arg), "@%s", file);
	else
		snprintf(arg, sizeof(arg), "%s", key ? key : env ? env : "");
	if (*arg)
		res = take_key(r, arg);
	sg_wipe(arg, sizeof(arg));
	return res;
}

int ctl_remote_open(struct ctl *c)
{
	const char *url = c->opt[OPT_URL], *key = c->opt[OPT_KEY];
	int res;

	if (key && strcmp(key, "-") != 0 && key[0] != '@')
		return ctl_fail(CTL_USAGE,
		    "a key on the command line shows in ps: use --key-file FILE, --key - or "
		    "$STREAMGATE_API_KEY");
	if (!url && (key || c->opt[OPT_KEY_FILE]))
		return ctl_fail(CTL_USAGE, "a key goes with --url: say whose it is");
	if (!url || c->remote)
		return CTL_DONE;
	if (c->opt[OPT_CONFIG])
		return ctl_fail(CTL_USAGE,
		    "--url and --config exclude each other: the server there has its own");
	struct ctl_remote *r = calloc(1, sizeof(*r));
	if (!r)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if ((res = take_url(r, url)) == CTL_DONE && (res = find_key(c, r)) == CTL_DONE) {
		c->remote = r;
		return CTL_DONE;
	}
	sg_wipe(r, sizeof(*r));
	free(r);
	return res;
}

void ctl_remote_inherit(struct ctl *c, const struct ctl *base)
{
	if (!base->remote || c->opt[OPT_URL] != base->opt[OPT_URL] ||
	    c->opt[OPT_KEY] != base->opt[OPT_KEY] ||
	    c->opt[OPT_KEY_FILE] != base->opt[OPT_KEY_FILE])
		return;
	c->remote = malloc(sizeof(*c->remote));
	if (c->remote)
		*c->remote = *base->remote;
}

void ctl_remote_close(struct ctl *c)
{
	if (c->remote)
		sg_wipe(c->remote, sizeof(*c->remote));
	free(c->remote);
	c->remote = NULL;
}
