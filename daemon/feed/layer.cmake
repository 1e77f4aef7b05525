hs_layer(feed daemon/feed SOURCES cache.c source.c plan.c plan_spec.c plan_deal.c labels.c columns.c near.c
                                   search_jobs.c searches.c leaks.c counts.c lengths.c statistics.c estimate.c layout.c
                                   attached.c gather.c mask.c weight.c order.c list.c stream.c
         USES hs_base hs_wire hs_rows hs_plan hs_text hs_store Threads::Threads)
