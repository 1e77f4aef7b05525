hs_layer(plan daemon/plan SOURCES mt19937.c folds.c order.c USES hs_base)
