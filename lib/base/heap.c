/* heap.c - see heap.h. glibc's: mallopt(3). */
#include "base/heap.h"
#include <malloc.h>

/* A thread's heap begins with so much address space, not memory: two streams' rings. glibc would take it a system call
 * further for each picture, and for each page that the store reads. Pictures themselves are not mapped one by one; to
 * set the former ends glibc's own learning of that. */
#define HEAP_BEGIN_BYTES (32 << 20)
#define HEAP_BLOCK_MAX_BYTES (4 << 20)

void sg_heap_set_up(void)
{
	mallopt(M_TOP_PAD, HEAP_BEGIN_BYTES);
	mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_MAX_BYTES);
}
