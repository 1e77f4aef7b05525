hs_test(test_cache unit/test_cache.c hs_feed)
hs_test(test_gather unit/test_gather.c hs_feed)
