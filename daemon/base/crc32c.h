// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720 appendix B.4: reflected polynomial 0x82F63B78), SSE4.2 when the CPU has it.
#ifndef HS_BASE_CRC32C_H
#define HS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// hs_crc32c continues a checksum: start with crc = 0; hs_crc32c(hs_crc32c(0, a), b) is the checksum of a followed by b.
uint32_t hs_crc32c(uint32_t crc, const void *data, size_t len);

#endif
