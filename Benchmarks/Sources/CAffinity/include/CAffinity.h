#pragma once

/* Keeps the calling thread to one processor (sched_setaffinity(2)). */
void keep_to_processor(int processor);
