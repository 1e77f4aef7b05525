hs_layer(rows proto/rows SOURCES rows.c)
