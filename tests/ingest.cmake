# SPDX-License-Identifier: Apache-2.0
hs_test(test_ingest_identity unit/test_ingest_identity.c hs_ingest)
hs_test(test_ingest_duplicates unit/test_ingest_duplicates.c hs_ingest)
hs_test(test_ingest_slurp unit/test_ingest_slurp.c hs_ingest)
