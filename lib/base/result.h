/* result.h - what a function answers.
 * One enum for the whole project; zero is success. SG_NEED_MORE is "not yet",
 * apart from every kind of "broken". The text stands beside the name. */
#ifndef SG_BASE_RESULT_H
#define SG_BASE_RESULT_H

#define SG_RESULTS(X)                                                                              \
	X(SG_OK, "ok")                                                                             \
	X(SG_NEED_MORE, "need more input")                                                         \
	X(SG_ERR_NO_MEMORY, "out of memory")                                                       \
	X(SG_ERR_BAD_INPUT, "malformed input")                                                     \
	X(SG_ERR_LIMIT, "over a limit")                                                            \
	X(SG_ERR_NOT_FOUND, "no such thing")                                                       \
	X(SG_ERR_EXISTS, "exists already")                                                         \
	X(SG_ERR_UNSUPPORTED, "not supported")                                                     \
	X(SG_ERR_CLOSED, "closed")                                                                 \
	X(SG_ERR_IO, "input or output failed")                                                     \
	X(SG_ERR_CONFIG, "configuration error")                                                    \
	X(SG_ERR_STORE, "the store failed")                                                        \
	X(SG_ERR_STORE_BUSY, "the store is locked by another process")                             \
	X(SG_ERR_STORE_FULL, "the store's disk is full")                                           \
	X(SG_ERR_STORE_CORRUPT, "the store is damaged or is not a streamgate store")               \
	X(SG_ERR_STORE_FUTURE, "the store was written by a newer streamgate")

enum sg_result {
#define SG_RESULT_NAME(name, text) name,
	SG_RESULTS(SG_RESULT_NAME)
#undef SG_RESULT_NAME
};

/* The text of a result; never NULL, static storage. */
const char *sg_result_text(enum sg_result res);

#define SG_MUST_CHECK __attribute__((warn_unused_result))
#define SG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
