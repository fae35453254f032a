// A JSON reader for flat settings. The text comes from the host, so it is well formed.
#pragma once
#include "router.h"
#include <string.h>

// Returns the end of the value that starts at `at`.
static size_t json_end(router_string_t text, size_t at) {
  int depth = 0;
  bool quoted = false;
  for (; at < text.len; at++) {
    uint8_t c = text.ptr[at];
    if (quoted) {
      if (c == '\\') at++;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth-- == 0) break;
    } else if ((c == ',' || c == ':') && depth == 0) {
      break;
    }
  }
  return at < text.len ? at : text.len;
}

// The text of a member of an object that is written without spaces.
static bool json_member(router_string_t object, const char *name, router_string_t *value) {
  size_t at = 1;
  while (at < object.len && object.ptr[at] == '"') {
    size_t colon = json_end(object, at);
    if (colon == object.len || object.ptr[colon] != ':') break;
    size_t end = json_end(object, colon + 1);
    size_t len = strlen(name);
    if (colon - at == len + 2 && memcmp(object.ptr + at + 1, name, len) == 0) {
      *value = (router_string_t){object.ptr + colon + 1, end - colon - 1};
      return true;
    }
    at = end + 1;
  }
  return false;
}

// A member that is a text without escapes that name a code point; the caller frees the copy.
static bool json_text(router_string_t object, const char *name, router_string_t *text) {
  router_string_t raw;
  if (!json_member(object, name, &raw) || raw.len < 2 || raw.ptr[0] != '"') return false;
  router_string_dup_n(text, (const char *)raw.ptr, raw.len);
  size_t len = 0;
  for (size_t i = 1; i < raw.len - 1; i++) {
    uint8_t c = raw.ptr[i];
    if (c == '\\') {
      c = raw.ptr[++i];
      switch (c) {
        case 'b': c = '\b'; break;
        case 'f': c = '\f'; break;
        case 'n': c = '\n'; break;
        case 'r': c = '\r'; break;
        case 't': c = '\t'; break;
        case 'u': router_string_free(text); return false;
      }
    }
    text->ptr[len++] = c;
  }
  text->len = len;
  return true;
}

// A member that is a whole number, 0 or more.
static bool json_count(router_string_t object, const char *name, uint64_t *count) {
  router_string_t raw;
  if (!json_member(object, name, &raw) || raw.len == 0 || raw.len > 18) return false;
  uint64_t sum = 0;
  for (size_t i = 0; i < raw.len; i++) {
    if (raw.ptr[i] < '0' || raw.ptr[i] > '9') return false;
    sum = sum * 10 + (raw.ptr[i] - '0');
  }
  *count = sum;
  return true;
}
