/* rtc_http.c - SDP over HTTP: the resource is made by a POST and ended by a DELETE (RFC 9725, and
 * WHEP in its image). The token travels as a bearer token (RFC 6750), on every request. */
#include "rtc.h"
#include "base/text.h"
#include "base/url.h"
#include "webrtc/sdp.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_S 10L
#define GOODBYE_S 2L

struct rtc_http {
	CURL *curl;
	struct curl_slist *headers;
	char *endpoint, *resource;
	struct sg_buf *answer;
	bool (*give_up)(void *user);
	void *user;
};

static size_t take_body(char *p, size_t size, size_t n, void *user)
{
	struct rtc_http *h = user;

	if (h->answer)
		sg_buf_append(h->answer, p, size * n);
	return !h->answer || !h->answer->failed ? size * n : 0;
}

/* Location may be relative (RFC 9110 section 10.2.2). */
static void take_location(struct rtc_http *h, const char *text)
{
	CURLU *u = curl_url();

	curl_free(h->resource);
	h->resource = NULL;
	if (u && !curl_url_set(u, CURLUPART_URL, h->endpoint, 0) &&
	    !curl_url_set(u, CURLUPART_URL, text, 0))
		curl_url_get(u, CURLUPART_URL, &h->resource, 0);
	curl_url_cleanup(u);
}

static size_t take_header(char *p, size_t size, size_t n, void *user)
{
	static const char name[] = "Location:";
	struct sg_str line = {p, size * n};
	char text[2048];

	if (line.len < sizeof(name) ||
	    !sg_str_equal_nocase((struct sg_str){p, sizeof(name) - 1}, SG_STR("Location:")))
		return size * n;
	line.p += sizeof(name) - 1, line.len -= sizeof(name) - 1;
	while (line.len && (*line.p == ' ' || *line.p == '\t'))
		line.p++, line.len--;
	while (line.len && (unsigned char)line.p[line.len - 1] <= ' ')
		line.len--;
	if (sg_str_copy(text, sizeof(text), line))
		take_location(user, text);
	return size * n;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct rtc_http *h = user;

	(void)a, (void)b, (void)c, (void)d;
	return h->give_up && h->give_up(h->user);
}

static bool add_header(struct rtc_http *h, const char *text)
{
	struct curl_slist *more = curl_slist_append(h->headers, text);

	if (more)
		h->headers = more;
	return more != NULL;
}

void rtc_trust(void *curl)
{
	const char *file = getenv("SSL_CERT_FILE");

	if (file && *file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, file);
}

static bool prepare(struct rtc_http *h, const char *token)
{
	char bearer[TOKEN_MAX + 32];
	bool ok = add_header(h, "Content-Type: application/sdp") && add_header(h, "Expect:");

	if (token && *token) {
		snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", token);
		ok = ok && add_header(h, bearer);
		sg_wipe(bearer, sizeof(bearer));
	}
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "streamplay/" SG_VERSION);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	rtc_trust(h->curl);
	return ok;
}

static int judge(struct rtc_http *h, CURLcode code, struct trouble *t)
{
	long status = 0;

	if (code != CURLE_OK) {
		snprintf(t->last, sizeof(t->last), "%s", curl_easy_strerror(code));
		return code == CURLE_ABORTED_BY_CALLBACK ? AVERROR_EXIT
		       : code == CURLE_COULDNT_CONNECT	 ? AVERROR(ECONNREFUSED)
							 : AVERROR(EIO);
	}
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 201)
		return 0;
	if (status == 406 || status == 415 || status == 422 || status == 409) {
		/* These say what is wrong with the stream, to those who were let in. */
		snprintf(t->last, sizeof(t->last), "HTTP %ld: %.*s", status,
		    (int)(h->answer->len < 200 ? h->answer->len : 200), (const char *)h->answer->p);
		return AVERROR_INVALIDDATA;
	}
	t->http_code = status >= 400 ? (int)status : 0;
	snprintf(
	    t->last, sizeof(t->last), "the server answered HTTP %ld where 201 was wanted", status);
	return AVERROR(EIO);
}

int rtc_http_open(struct rtc_http **out, const char *endpoint, const char *token,
    const struct sg_buf *offer, struct sg_buf *answer, struct trouble *t,
    bool (*give_up)(void *user), void *user)
{
	struct rtc_http *h = *out = calloc(1, sizeof(*h));

	if (!h)
		return AVERROR(ENOMEM);
	h->answer = answer;
	h->give_up = give_up;
	h->user = user;
	h->endpoint = strdup(endpoint);
	h->curl = curl_easy_init();
	if (!h->endpoint || !h->curl || !prepare(h, token))
		return AVERROR(ENOMEM);
	curl_easy_setopt(h->curl, CURLOPT_URL, endpoint);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, PATIENCE_S);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, (const char *)offer->p);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, (long)offer->len);
	int err = judge(h, curl_easy_perform(h->curl), t);
	h->answer = NULL;
	return err;
}

void rtc_http_close(struct rtc_http *h)
{
	if (!h)
		return;
	if (h->resource) {
		h->give_up = NULL; /* the goodbye is said even when we were interrupted */
		curl_easy_setopt(h->curl, CURLOPT_URL, h->resource);
		curl_easy_setopt(h->curl, CURLOPT_TIMEOUT, GOODBYE_S);
		curl_easy_setopt(h->curl, CURLOPT_POST, 0L);
		curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, "DELETE");
		curl_easy_perform(h->curl);
	}
	if (h->headers)
		for (struct curl_slist *l = h->headers; l; l = l->next)
			sg_wipe(l->data, strlen(l->data));
	curl_slist_free_all(h->headers);
	curl_easy_cleanup(h->curl);
	curl_free(h->resource);
	token_free(h->endpoint);
	free(h);
}
