// The plugin of plugins/languages/README.md in C.

#include "json.h"
#include "router.h"
#include <stdlib.h>
#include <string.h>

typedef exports_witgate_plugin_lifecycle_configured_t configured_t;
typedef exports_witgate_plugin_lifecycle_interest_t interest_t;
typedef exports_witgate_plugin_lifecycle_list_problem_t problems_t;
typedef exports_witgate_plugin_route_option_plan_t plan_t;
typedef exports_witgate_plugin_route_refusal_t refusal_t;
typedef witgate_plugin_types_target_t target_t;

// The settings. The host calls `configure` before any hook.
static router_string_t cheap_model, blocked_prefix;
static uint64_t max_prompt_tokens;

static void complain(problems_t *problems, const char *path, const char *message) {
  problems->ptr = realloc(problems->ptr, (problems->len + 1) * sizeof *problems->ptr);
  if (!problems->ptr) abort();
  router_string_dup(&problems->ptr[problems->len].path, path);
  router_string_dup(&problems->ptr[problems->len].message, message);
  problems->len++;
}

// The host does not call `decide` for other endpoints than `messages`.
static void only_messages(configured_t *configured) {
  *configured = (configured_t){0};
  witgate_plugin_types_endpoint_code_t *endpoint = malloc(sizeof *endpoint);
  interest_t *interest = malloc(sizeof *interest);
  if (!endpoint || !interest) abort();
  *endpoint = (witgate_plugin_types_endpoint_code_t){.tag = WITGATE_PLUGIN_TYPES_ENDPOINT_CODE_MESSAGES};
  *interest = (interest_t){
      .hook = EXPORTS_WITGATE_PLUGIN_LIFECYCLE_HOOK_ROUTE,
      .endpoints = {true, {endpoint, 1}},
  };
  configured->interests.ptr = interest;
  configured->interests.len = 1;
}

// Both exports return false for an error, and write it to their last parameter.

bool exports_witgate_plugin_lifecycle_configure(configured_t *configured, problems_t *problems) {
  router_string_t found;
  witgate_plugin_settings_json(&found);
  *problems = (problems_t){0};
  if (!json_text(found, "cheap_model", &cheap_model))
    complain(problems, "cheap_model", "must be a string");
  if (!json_text(found, "blocked_prefix", &blocked_prefix))
    complain(problems, "blocked_prefix", "must be a string");
  if (!json_count(found, "max_prompt_tokens", &max_prompt_tokens))
    complain(problems, "max_prompt_tokens", "must be a whole number, 0 or more");
  router_string_free(&found);
  if (problems->len > 0) return false;
  only_messages(configured);
  return true;
}

static bool starts_with(router_string_t text, router_string_t prefix) {
  return text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

static void refuse(router_string_t model, refusal_t *refusal) {
  static const char before[] = "the model ", after[] = " is not for this gateway's callers";
  size_t b = sizeof before - 1, a = sizeof after - 1;
  *refusal = (refusal_t){.status = 403};
  router_string_dup(&refusal->code, "permission_error");
  uint8_t *message = malloc(b + model.len + a);
  if (!message) abort();
  memcpy(message, before, b);
  memcpy(message + b, model.ptr, model.len);
  memcpy(message + b + model.len, after, a);
  refusal->message = (router_string_t){message, b + model.len + a};
}

static void small(plan_t *plan) {
  target_t *target = malloc(sizeof *target);
  if (!target) abort();
  *target = (target_t){0};
  router_string_dup(&target->upstream, "default");
  target->model.is_some = true;
  router_string_dup_n(&target->model.val, (const char *)cheap_model.ptr, cheap_model.len);
  plan->is_some = true;
  plan->val.targets.ptr = target;
  plan->val.targets.len = 1;
  plan->val.rule.is_some = true;
  router_string_dup(&plan->val.rule.val, "small");
}

bool exports_witgate_plugin_route_decide(plan_t *plan, refusal_t *refusal) {
  *plan = (plan_t){0};
  router_string_t resource;
  if (witgate_plugin_context_resource(&resource)) {
    router_string_free(&resource);
    return true;
  }
  bool decided = true;
  witgate_plugin_request_scan_t head;
  witgate_plugin_request_head(&head);
  if (head.model.is_some) {
    if (starts_with(head.model.val, blocked_prefix)) {
      refuse(head.model.val, refusal);
      decided = false;
    } else if (head.prompt_tokens < max_prompt_tokens) {
      small(plan);
    }
  }
  witgate_plugin_request_scan_free(&head);
  return decided;
}
