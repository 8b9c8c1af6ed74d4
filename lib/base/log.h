/* log.h - one line per event on standard error, with what must stay secret taken out.
 * Under systemd (JOURNAL_STREAM set) a line starts with "<priority>" and no time; else with
 * the time. Control characters are escaped, so that a peer's text cannot forge a line.
 * Thread-safe: a line is one write(). Lines are rate-limited per call site by the _limited
 * form. */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include "base/bytes.h"

enum sg_log_level { SG_LOG_ERROR = 3, SG_LOG_WARNING = 4, SG_LOG_INFO = 6, SG_LOG_DEBUG = 7 };

void sg_log_set_level(enum sg_log_level max); /* default SG_LOG_INFO */
void sg_log_write(enum sg_log_level level, const char *fmt, ...) SG_PRINTF(2, 3);

#define sg_log_error(...) sg_log_write(SG_LOG_ERROR, __VA_ARGS__)
#define sg_log_warning(...) sg_log_write(SG_LOG_WARNING, __VA_ARGS__)
#define sg_log_info(...) sg_log_write(SG_LOG_INFO, __VA_ARGS__)
#define sg_log_debug(...) sg_log_write(SG_LOG_DEBUG, __VA_ARGS__)

/* At most 5 lines a second from one place in the code; the next line allowed says how many
 * were left out. */
struct sg_log_budget {
	int64_t window_ms;
	unsigned used, dropped;
};
bool sg_log_allow(struct sg_log_budget *b, unsigned *left_out); /* thread-safe */
#define sg_log_limited(level, fmt, ...)                                                            \
	do {                                                                                       \
		static struct sg_log_budget budget_;                                               \
		unsigned left_out_;                                                                \
		if (sg_log_allow(&budget_, &left_out_)) {                                          \
			if (left_out_)                                                             \
				sg_log_write(level, fmt " (%u like it left out)", __VA_ARGS__,     \
				    left_out_);                                                    \
			else                                                                       \
				sg_log_write(level, fmt, __VA_ARGS__);                             \
		}                                                                                  \
	} while (0)

/* In place of a secret, wherever one is not shown. */
#define SG_REDACTED "[redacted]"

/* What the logger does to every line: the value behind `token=` (any case, escaped or not; in a
 * URL, a stream id, JSON or a header), after `Bearer `, `s=` in an SRT stream id, passwords (of
 * URLs as well), API keys, credentials and cookies becomes SG_REDACTED, and so does any run of
 * exactly 32 base64url characters, which is the shape of a token, and a viewer's session in a path
 * (/s/SID/). Token ids and session handles stay. Works on text in place of its own copy, in
 * linear time; doing it twice changes nothing. Exposed for tests and for the audit. `out` is
 * NUL-terminated and cut to fit; give it the whole text, for a piece of a secret is not known
 * as one. */
void sg_redact(char *out, size_t size, struct sg_str in);

#endif
