// SPDX-License-Identifier: Apache-2.0
#include "ingest/floats.h"

#include <math.h>
#include <string.h>

#define EXPONENT 0x7f800000u
#define NAN_BITS 0x7fc00000u

static const struct {
	const char *name;
	size_t bytes;
} types[] = {[HS_FLOATS_32] = {"float32", 4}, [HS_FLOATS_64] = {"float64", 8}, [HS_FLOATS_16] = {"float16", 2}};

bool hs_floats_parse(const char *name, enum hs_floats *ret)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, name) == 0) {
			*ret = (enum hs_floats)i;
			return true;
		}
	}
	return false;
}

const char *hs_floats_name(enum hs_floats type)
{
	return types[type].name;
}

size_t hs_floats_bytes(enum hs_floats type)
{
	return types[type].bytes;
}

// IEEE 754 binary16 to binary32: sign, 5 bits of exponent (bias 15), 10 of fraction.
static uint32_t widen_half(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 0x3ff;
	if (exponent == 31)
		return sign | EXPONENT | fraction << 13;
	if (exponent > 0)
		return sign | (exponent + 112) << 23 | fraction << 13;
	if (fraction == 0)
		return sign;
	unsigned shift = (unsigned)__builtin_clz(fraction) - 21; // the leading one becomes the hidden bit
	return sign | (113 - shift) << 23 | (fraction << shift & 0x3ff) << 13;
}

static void widen_halves(const uint16_t *src, size_t n, float *ret)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t bits = widen_half(src[i]);
		memcpy(&ret[i], &bits, sizeof(bits));
	}
}

static void narrow_doubles(const double *src, size_t n, float *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (float)src[i];
}

// In a form that compilers make SIMD of.
static bool all_finite(const float *values, size_t n)
{
	uint32_t other = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &values[i], sizeof(bits));
		other |= (bits & EXPONENT) == EXPONENT;
	}
	return other == 0;
}

static void settle_nans(float *values, size_t n)
{
	const uint32_t nan = NAN_BITS;
	for (size_t i = 0; i < n; i++) {
		if (isnan(values[i]))
			memcpy(&values[i], &nan, sizeof(nan));
	}
}

bool hs_floats_read(enum hs_floats type, const void *src, size_t n, float *ret)
{
	if (type == HS_FLOATS_64)
		narrow_doubles(src, n, ret);
	else if (type == HS_FLOATS_16)
		widen_halves(src, n, ret);
	else
		memcpy(ret, src, n * sizeof(*ret));
	if (all_finite(ret, n))
		return true;
	settle_nans(ret, n);
	return false;
}

bool hs_floats_is_finite(enum hs_floats type, const void *src, size_t i)
{
	if (type == HS_FLOATS_64)
		return isfinite(((const double *)src)[i]);
	if (type == HS_FLOATS_16)
		return (((const uint16_t *)src)[i] & 0x7c00) != 0x7c00;
	return isfinite(((const float *)src)[i]);
}
