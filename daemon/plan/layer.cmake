hs_layer(plan daemon/plan SOURCES mt19937.c number.c folds.c order.c USES hs_base)
