hs_test(test_cache unit/test_cache.c hs_feed)
