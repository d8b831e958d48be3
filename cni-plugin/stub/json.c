// Finds one string of the outermost object. No parser: what is malformed yields nothing, and the daemon will say so.

#include "stub.h"

#include <string.h>

struct cursor {
  const char *at;
  const char *end;
};

static void skip_space(struct cursor *c) {
  while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at) c->at++;
}

// Reads a string whose opening quote is at the cursor, into `text` if it is given. False: it is not closed, does not fit, or
// has an escape other than of one character for itself.
static bool read_string(struct cursor *c, char *text, size_t size) {
  size_t length = 0;
  bool plain = true;
  for (c->at++; c->at < c->end && *c->at != '"'; c->at++) {
    if (*c->at == '\\') {
      if (++c->at == c->end) return false;
      if (!strchr("\"\\/", *c->at)) plain = false;
    }
    if (length + 1 < size) text[length] = *c->at;
    length++;
  }
  if (c->at == c->end) return false;
  c->at++;
  if (!text) return true;
  if (!plain || length + 1 > size) return false;
  text[length] = 0;
  return true;
}

bool json_string(const char *json, size_t length, const char *key, char *value, size_t value_size) {
  struct cursor c = {json, json + length};
  char name[64];
  int depth = 0;
  while (c.at < c.end) {
    if (*c.at == '{' || *c.at == '[') depth++;
    if (*c.at == '}' || *c.at == ']') depth--;
    if (*c.at != '"') {
      c.at++;
      continue;
    }
    bool known = read_string(&c, name, sizeof name);
    skip_space(&c);
    if (depth != 1 || c.at == c.end || *c.at != ':') continue; // a value, or a key further inside
    c.at++;
    skip_space(&c);
    if (!known || strcmp(name, key) != 0) continue;
    return c.at < c.end && *c.at == '"' && read_string(&c, value, value_size);
  }
  return false;
}
