hs_layer(plan daemon/plan
  SOURCES mt19937.c number.c check.c sort.c pairwise.c loads.c folds.c multilabel.c groups.c stratified_groups.c
          cells.c deal_groups.c sizes.c holdout.c ranks.c predefined.c rowlist.c weights.c order.c
          length.c
  USES hs_base m)
