// SPDX-License-Identifier: Apache-2.0
// The time of day, as stored files tell it.
#ifndef HS_BASE_CLOCK_H
#define HS_BASE_CLOCK_H

#include <stdint.h>

int64_t hs_now_ms(void); // milliseconds since 1970, by the clock on the wall: it may jump

#endif
