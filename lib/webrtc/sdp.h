/* sdp.h - session descriptions: read, codecs chosen, answers and offers written.
 *
 * Pure. Sources: RFC 8866 (SDP), 8829 (JSEP), 9143 (BUNDLE), 8839 (ICE), 8842 (DTLS), 8830
 * (msid), 8840 (trickle fragments), 6184 section 8 (H.264 profiles), 7587 (Opus).
 * Unknown lines and attributes are ignored; what is known must be well-formed. */
#ifndef SG_WEBRTC_SDP_H
#define SG_WEBRTC_SDP_H

#include "media/frame.h"
#include "webrtc/rtp.h"

/* Largest SDP taken and given. */
#define SG_SDP_MAX (80u << 10)
#define SG_SDP_SECTIONS_MAX 16
#define SG_SDP_CODECS_MAX 64     /* per section; more are not looked at */
#define SG_SDP_CANDIDATES_MAX 32 /* per section, likewise */

/* ---- reading ---- */

enum sg_sdp_kind { SG_SDP_VIDEO, SG_SDP_AUDIO, SG_SDP_DATA, SG_SDP_OTHER };
enum sg_sdp_direction { SG_SDP_SENDRECV, SG_SDP_SENDONLY, SG_SDP_RECVONLY, SG_SDP_INACTIVE };
enum sg_sdp_setup { SG_SDP_SETUP_NONE, SG_SDP_ACTPASS, SG_SDP_ACTIVE, SG_SDP_PASSIVE };
enum { /* a=rtcp-fb */
	SG_SDP_FB_NACK = 1, SG_SDP_FB_PLI = 2, SG_SDP_FB_FIR = 4, SG_SDP_FB_REMB = 8,
	SG_SDP_FB_TRANSPORT_CC = 16,
};

struct sg_sdp_codec {
	uint8_t payload_type;
	enum sg_codec codec; /* NONE: not one of ours (rtx, red, telephone-event) */
	uint32_t rate;
	int channels;        /* 1 when not said */
	struct sg_str name, fmtp; /* fmtp: what stands behind the payload type; absent: none */
	unsigned feedback;
	/* H.264: of its fmtp, with RFC 6184's defaults */
	int packetization_mode; /* 0 to 2 */
	uint8_t profile_idc, profile_iop, level_idc;
};

enum sg_candidate_type { SG_CANDIDATE_HOST, SG_CANDIDATE_SRFLX, SG_CANDIDATE_PRFLX, SG_CANDIDATE_RELAY };
struct sg_candidate {
	struct sg_str foundation, address; /* address: an IP, or an mDNS name (.local): never resolved */
	unsigned component;
	bool tcp;
	struct sg_str tcp_type; /* "active", "passive", "so"; absent for UDP */
	uint32_t priority;
	uint16_t port;
	enum sg_candidate_type type;
};
/* "candidate:..." with or without "a=" in front (RFC 8839 section 5.1). SG_ERR_UNSUPPORTED: well-formed, but of a
 * transport or type not known; ignore it. Text is borrowed. */
SG_MUST_CHECK enum sg_result sg_candidate_parse(struct sg_str line, struct sg_candidate *out);

struct sg_sdp_media {
	enum sg_sdp_kind kind;
	struct sg_str media, protocol, formats; /* the m= line's words */
	bool rejected; /* port 0 (and not bundle-only) */
	struct sg_str mid; /* absent: none */
	bool bundled;      /* in the BUNDLE group */
	enum sg_sdp_direction direction;
	enum sg_sdp_setup setup;
	bool rtcp_mux, end_of_candidates;
	struct sg_str ufrag, pwd;  /* the session's where the section has none; absent: none */
	bool has_fingerprint;
	uint8_t fingerprint[32];   /* SHA-256; others are not taken */
	struct sg_str msid_stream, msid_track;
	uint32_t ssrc;             /* the first one named, 0 none */
	uint16_t sctp_port;
	struct sg_rtp_extmap extensions;
	size_t codec_count, candidate_count;
	struct sg_sdp_codec *codecs;          /* in the m= line's order: the peer's preference */
	struct sg_candidate *candidates;
};
struct sg_sdp {
	struct sg_str origin_id, origin_version;
	bool has_bundle, ice_lite;
	size_t media_count;
	struct sg_sdp_media media[SG_SDP_SECTIONS_MAX];
	/* private: the text, which everything above points into, and the arrays */
	char *text;
	void *pool;
};

/* On SG_OK the caller owns *out; else it is NULL, and `error` (of at least 80 bytes) says what is wrong
 * with which line. SG_ERR_LIMIT: over SG_SDP_MAX. SG_ERR_BAD_INPUT: malformed, or too many sections.
 * Candidates that are malformed are left out. */
SG_MUST_CHECK enum sg_result sg_sdp_parse(struct sg_sdp **out, struct sg_str text, char *error, size_t error_size);
void sg_sdp_free(struct sg_sdp *sdp); /* NULL allowed */

/* The section whose transport all bundled ones use: the first in the group that is not rejected, else
 * the first not rejected. NULL: none. ufrag, pwd, fingerprint and setup are read from it. */
const struct sg_sdp_media *sg_sdp_transport(const struct sg_sdp *sdp);

/* ---- choosing ---- */

/* From a publisher, in our order of preference: H.264 (mode 1 before 0; constrained baseline, main,
 * high...), which every protocol here can carry, then AV1 and VP9 in the offer's order, then VP8; Opus
 * for sound. NULL: nothing we take. */
const struct sg_sdp_codec *sg_sdp_choose(const struct sg_sdp_media *m);
/* For a viewer of a stream of `codec`: the payload type to send it as. H.264: the same profile in
 * mode 1, else any in mode 1 (browsers decode High where baseline was agreed), else mode 0.
 * `avcc` is the stream's configuration or NULL. NULL: the viewer cannot take this codec. */
const struct sg_sdp_codec *sg_sdp_match(
    const struct sg_sdp_media *m, enum sg_codec codec, const uint8_t *avcc, size_t avcc_len);
/* A parameter of an fmtp ("packetization-mode", "sprop-parameter-sets"), name without case; blanks
 * around are taken off. Absent: not there. */
struct sg_str sg_fmtp_get(struct sg_str fmtp, const char *name);

/* ---- writing: appends to a buffer ---- */

struct sg_sdp_address { /* one of our candidates; written as host candidates of component 1 */
	char ip[46];
	uint16_t port;
	bool tcp; /* passive */
};
/* What is ours in a description, the same for all sections. */
struct sg_sdp_local {
	uint64_t session_id, version;
	const char *ufrag, *pwd;
	uint8_t fingerprint[32];
	enum sg_sdp_setup setup; /* PASSIVE in answers, ACTPASS in offers */
	const struct sg_sdp_address *addresses;
	size_t address_count;
	const char *cname;
};
/* What we do with one section. */
#define SG_SDP_OTHERS_MAX 3 /* the video codecs but one */
struct sg_sdp_section {
	const struct sg_sdp_codec *codec; /* NULL: rejected, port 0 */
	const struct sg_sdp_codec *others[SG_SDP_OTHERS_MAX]; /* taken as well, behind it; fewer: NULL */
	enum sg_sdp_direction direction;
	unsigned feedback;   /* bits of SG_SDP_FB_*; only those that the peer's codec has are written */
	bool transport_cc;   /* and its extension, where the offer has it; likewise */
	bool abs_send_time, mid_extension;
	uint32_t ssrc;       /* of what we send; 0: we send nothing */
	const char *msid_stream, *msid_track; /* of what we send, NULL none */
};
/* The answer to `offer`: one entry of `sections` per section of it. Sections we do not speak
 * (data) have codec NULL. */
void sg_sdp_write_answer(struct sg_buf *b, const struct sg_sdp *offer, const struct sg_sdp_local *local,
    const struct sg_sdp_section *sections);

/* Our offer to a viewer: sections in order get the mids "0", "1", ... H.264 is offered in both
 * packetization modes with the stream's profile. */
struct sg_sdp_offer_track {
	enum sg_codec codec;   /* H264, VP8, VP9, AV1, OPUS */
	const uint8_t *avcc;   /* H.264: the stream's configuration, for profile and level, or NULL */
	size_t avcc_len;
	uint32_t ssrc;
	char msid_stream[160], msid_track[160]; /* Ant Media's names: S, "ARDAMSv"S; "ARDAMSa"S */
	bool transport_cc;
	bool others; /* video: the other codecs as well, behind it */
};
void sg_sdp_write_offer(struct sg_buf *b, const struct sg_sdp_local *local,
    const struct sg_sdp_offer_track *tracks, size_t count);
/* The payload types that sg_sdp_write_offer uses. */
enum { SG_SDP_PT_H264_MODE1 = 96, SG_SDP_PT_H264_MODE0 = 97, SG_SDP_PT_VP8 = 98, SG_SDP_PT_VP9 = 99,
	SG_SDP_PT_AV1 = 100, SG_SDP_PT_OPUS = 111 };

/* One line "candidate:..." without "a=" and without line end, for trickling. `index` orders them. */
void sg_candidate_write(struct sg_buf *b, const struct sg_sdp_address *a, size_t index);

/* ---- fragments: application/trickle-ice-sdpfrag (RFC 8840 section 9, RFC 9725 section 4.3) ---- */

struct sg_sdp_fragment {
	struct sg_str ufrag, pwd; /* the first ones named; absent: none */
	struct sg_str mid;        /* the first */
	bool end_of_candidates;
	size_t candidate_count;
	struct sg_candidate candidates[SG_SDP_CANDIDATES_MAX]; /* more are not looked at */
};
/* Everything is borrowed from `text`. SG_ERR_BAD_INPUT: malformed; SG_ERR_LIMIT: over SG_SDP_MAX. */
SG_MUST_CHECK enum sg_result sg_sdp_fragment_parse(struct sg_sdp_fragment *out, struct sg_str text);
/* Our side after a restart: new credentials and the candidates, for the section `mid` of `media`
 * ("video", "audio"). */
void sg_sdp_fragment_write(struct sg_buf *b, const struct sg_sdp_local *local, const char *media, struct sg_str mid);

#endif
