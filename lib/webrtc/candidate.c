/* candidate.c - ICE candidates and the fragments in which they trickle. */
#include "webrtc/sdp_internal.h"

/* ---- reading (RFC 8839 section 5.1, RFC 6544 section 4.5) ---- */

static bool take_number(struct sg_str *text, uint64_t max, uint64_t *out)
{
	struct sg_str word;

	return sdp_next_word(text, &word) && sg_str_to_u64(word, max, out);
}

static bool is_address(struct sg_str s)
{
	if (!s.len || s.len > 253)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

static bool take_type(struct sg_str word, enum sg_candidate_type *out)
{
	static const char *const names[] = { [SG_CANDIDATE_HOST] = "host", [SG_CANDIDATE_SRFLX] = "srflx",
		[SG_CANDIDATE_PRFLX] = "prflx", [SG_CANDIDATE_RELAY] = "relay" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (sg_str_is(word, names[i])) {
			*out = (enum sg_candidate_type)i;
			return true;
		}
	}
	return false;
}

enum sg_result sg_candidate_parse(struct sg_str line, struct sg_candidate *out)
{
	struct sg_str transport, word, type, name, value;
	uint64_t component, priority, port;

	*out = (struct sg_candidate){ 0 };
	if (sg_str_starts(line, "a="))
		line = (struct sg_str){ line.p + 2, line.len - 2 };
	if (!sg_str_starts(line, "candidate:"))
		return SG_ERR_BAD_INPUT;
	line = (struct sg_str){ line.p + 10, line.len - 10 };
	if (!sdp_next_word(&line, &out->foundation) || out->foundation.len > 32 ||
	    !take_number(&line, 256, &component) || component < 1 || !sdp_next_word(&line, &transport) ||
	    !take_number(&line, UINT32_MAX, &priority) || !sdp_next_word(&line, &out->address) ||
	    !is_address(out->address) || !take_number(&line, 65535, &port) || !sdp_next_word(&line, &word) ||
	    !sg_str_is(word, "typ") || !sdp_next_word(&line, &type))
		return SG_ERR_BAD_INPUT;
	out->component = (unsigned)component;
	out->priority = (uint32_t)priority;
	out->port = (uint16_t)port;
	while (sdp_next_word(&line, &name) && sdp_next_word(&line, &value))
		if (sg_str_is(name, "tcptype"))
			out->tcp_type = value;
	out->tcp = sg_str_equal_nocase(transport, SG_STR("tcp"));
	if (!take_type(type, &out->type) || (!out->tcp && !sg_str_equal_nocase(transport, SG_STR("udp"))))
		return SG_ERR_UNSUPPORTED;
	return SG_OK;
}

/* ---- writing ---- */

/* RFC 8445 section 5.1.2.1: UDP before TCP, in the order given. */
static uint32_t priority_of(const struct sg_sdp_address *a, size_t index)
{
	uint32_t type = a->tcp ? 90 : 126, local = 65535u - (uint32_t)(index < 65535 ? index : 65535);

	return type << 24 | local << 8 | 255;
}

void sg_candidate_write(struct sg_buf *b, const struct sg_sdp_address *a, size_t index)
{
	sg_buf_printf(b, "candidate:%zu 1 %s %u %s %u typ host%s", index + 1, a->tcp ? "tcp" : "udp",
	    priority_of(a, index), a->ip, a->port, a->tcp ? " tcptype passive" : "");
}

/* ---- fragments ---- */

static enum sg_result take_fragment_line(struct sg_sdp_fragment *f, struct sg_str line)
{
	struct sg_str name, value;
	struct sg_candidate c;

	sg_str_cut(line, ':', &name, &value);
	if (sg_str_is(name, "ice-ufrag") && !f->ufrag.p) {
		f->ufrag = value;
		return sdp_is_ice_text(value, 4) ? SG_OK : SG_ERR_BAD_INPUT;
	}
	if (sg_str_is(name, "ice-pwd") && !f->pwd.p) {
		f->pwd = value;
		return sdp_is_ice_text(value, 22) ? SG_OK : SG_ERR_BAD_INPUT;
	}
	if (sg_str_is(name, "mid") && !f->mid.p)
		f->mid = value;
	if (sg_str_is(name, "end-of-candidates"))
		f->end_of_candidates = true;
	if (!sg_str_is(name, "candidate"))
		return SG_OK;
	enum sg_result res = sg_candidate_parse(line, &c);
	if (res == SG_OK && f->candidate_count < SG_SDP_CANDIDATES_MAX)
		f->candidates[f->candidate_count++] = c;
	return res == SG_ERR_UNSUPPORTED ? SG_OK : res;
}

enum sg_result sg_sdp_fragment_parse(struct sg_sdp_fragment *out, struct sg_str text)
{
	enum sg_result res = SG_OK;
	struct sdp_line line;
	bool ok = true;

	*out = (struct sg_sdp_fragment){ 0 };
	if (text.len > SG_SDP_MAX)
		return SG_ERR_LIMIT;
	while (res == SG_OK && sdp_next_line(&text, &line, &ok))
		if (line.type == 'a')
			res = take_fragment_line(out, line.value);
	return res == SG_OK && !ok ? SG_ERR_BAD_INPUT : res;
}

void sg_sdp_fragment_write(
    struct sg_buf *b, const struct sg_sdp_local *local, const char *media, struct sg_str mid)
{
	sg_buf_puts(b, "a=ice-lite\r\n");
	sg_buf_printf(b, "m=%s 9 UDP/TLS/RTP/SAVPF 0\r\n", media);
	if (mid.p)
		sg_buf_printf(b, "a=mid:%.*s\r\n", SG_STR_ARG(mid));
	sg_buf_printf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", local->ufrag, local->pwd);
	for (size_t i = 0; i < local->address_count; i++) {
		sg_buf_puts(b, "a=");
		sg_candidate_write(b, &local->addresses[i], i);
		sg_buf_puts(b, "\r\n");
	}
	sg_buf_puts(b, "a=end-of-candidates\r\n");
}
