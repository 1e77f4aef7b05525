// SPDX-License-Identifier: Apache-2.0
// A whole look at a file, whatever it holds: before it is published, when it is verified, when the catalog is made
// anew.
#include "store/attached.h"
#include "store/version.h"

static int check_version(const struct hs_file *f, struct hs_err *reterr)
{
	struct hs_version *v;
	int rc = hs_version_open(f, &v, reterr);
	if (rc == 0)
		hs_version_close(v);
	return rc;
}

static int check_encoding(const struct hs_file *f, struct hs_id *ret_version, struct hs_err *reterr)
{
	struct hs_encoding *e;
	int rc = hs_encoding_open(f, &e, reterr);
	if (rc < 0)
		return rc;
	*ret_version = e->version;
	hs_encoding_close(e);
	return 0;
}

static int check_array(const struct hs_file *f, struct hs_id *ret_version, struct hs_err *reterr)
{
	struct hs_attached *a;
	int rc = hs_attached_open(f, &a, reterr);
	if (rc < 0)
		return rc;
	rc = hs_attached_check(a, reterr);
	if (rc == 0)
		*ret_version = a->version;
	hs_attached_close(a);
	return rc;
}

int hs_contents_check(const struct hs_file *f, struct hs_id *ret_version, struct hs_err *reterr)
{
	switch (hs_file_get_kind(f)) {
	case HS_FILE_VERSION:
		return check_version(f, reterr);
	case HS_FILE_ENCODING:
		return check_encoding(f, ret_version, reterr);
	default:
		return check_array(f, ret_version, reterr);
	}
}
