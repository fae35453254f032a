// Keeps the handle of a request that has the header `x-probe`.

#include "router.h"
#include <stddef.h>

bool exports_witgate_plugin_lifecycle_configure(exports_witgate_plugin_lifecycle_list_problem_t *problems) {
  (void)problems;
  return true;
}

bool exports_witgate_plugin_route_decide(witgate_plugin_types_borrow_request_t request,
                                         exports_witgate_plugin_route_envelope_t *envelope,
                                         exports_witgate_plugin_route_list_upstream_stats_t *upstreams,
                                         exports_witgate_plugin_route_option_plan_t *plan,
                                         exports_witgate_plugin_route_refusal_t *refusal) {
  (void)refusal;
  exports_witgate_plugin_route_envelope_free(envelope);
  exports_witgate_plugin_route_list_upstream_stats_free(upstreams);
  router_string_t name, value;
  router_string_dup(&name, "x-probe");
  bool keep = witgate_plugin_types_method_request_header(request, &name, &value);
  router_string_free(&name);
  if (keep) router_string_free(&value);
  else witgate_plugin_types_request_drop_borrow(request);
  plan->is_some = false;
  return true;
}
