/* result.c - the texts of results, from the one list in the header. */
#include "base/result.h"

const char *sg_result_text(enum sg_result res)
{
	switch (res) {
#define RESULT_TEXT(name, text)                                                                    \
	case name:                                                                                 \
		return text;
		SG_RESULTS(RESULT_TEXT)
#undef RESULT_TEXT
	}
	return "unknown result";
}
