# SPDX-License-Identifier: Apache-2.0
hs_test(test_decode unit/test_decode.c hs_decode hs_wire)
hs_test(test_config unit/test_config.c hs_app)
hs_test(test_crew unit/test_crew.c hs_server)
hs_test(test_conn unit/test_conn.c hs_server)
hs_test(fuzz_request fuzz/fuzz_request.c hs_server)
