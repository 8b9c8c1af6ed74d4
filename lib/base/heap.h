/* heap.h - how this process's memory is taken from the system. */
#ifndef SG_BASE_HEAP_H
#define SG_BASE_HEAP_H

/* For a server's many threads. Once, at the start of main(), before there are threads. */
void sg_heap_set_up(void);

#endif
