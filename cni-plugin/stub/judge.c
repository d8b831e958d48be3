// What is wrong with a call, as far as that can be told without the daemon: so that a bad call is answered at once instead of
// after the wait for a daemon, which an unreadable configuration may not even lead to. The codes are the daemon's own
// (protocol/environment.ts, config.ts, versions.ts), which judges again, and more.

#include "stub.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 200 };

struct scan {
  const char *at;
  const char *end;
};

static void space(struct scan *s) {
  while (s->at < s->end && *s->at && strchr(" \t\r\n", *s->at)) s->at++;
}

static bool take(struct scan *s, char c) {
  space(s);
  if (s->at == s->end || *s->at != c) return false;
  s->at++;
  return true;
}

static bool string(struct scan *s) {
  if (!take(s, '"')) return false;
  for (; s->at < s->end; s->at++) {
    if (*s->at == '"') return s->at++, true;
    if (*s->at == '\\') s->at++;
  }
  return false;
}

static bool value(struct scan *s, int depth);

// Members of an object, or elements of a list, after its opening bracket.
static bool members(struct scan *s, char close, int depth) {
  if (take(s, close)) return true;
  do {
    if (close == '}' && !(space(s), string(s) && take(s, ':'))) return false;
    if (!value(s, depth)) return false;
  } while (take(s, ','));
  return take(s, close);
}

// RFC 8259 but for the inside of numbers and escapes.
static bool value(struct scan *s, int depth) {
  space(s);
  if (s->at == s->end || depth > DEEPEST) return false;
  if (*s->at == '"') return string(s);
  if (*s->at == '{' || *s->at == '[') return members(s, *s->at++ == '{' ? '}' : ']', depth + 1);
  const char *start = s->at;
  while (s->at < s->end && (isalnum((unsigned char)*s->at) || (*s->at && strchr("+-.", *s->at)))) s->at++;
  size_t length = s->at - start;
  static const char *const words[] = {"true", "false", "null"};
  for (int i = 0; i < 3; i++)
    if (length == strlen(words[i]) && memcmp(start, words[i], length) == 0) return true;
  return length > 0 && (isdigit((unsigned char)*start) || *start == '-');
}

static bool is_object(const char *json, size_t length) {
  struct scan s = {json, json + length};
  space(&s);
  if (s.at == s.end || *s.at != '{' || !value(&s, 0)) return false;
  space(&s);
  return s.at == s.end;
}

static bool is_blank(const char *text, size_t length) {
  struct scan s = {text, text + length};
  space(&s);
  return s.at == s.end;
}

// CNI 1.1.0, "Parameters": a letter or digit, then letters, digits, dots, dashes and underscores. Also the form of a network's name.
static bool is_id(const char *text) {
  if (!isalnum((unsigned char)*text)) return false;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && !strchr("_.-", *text)) return false;
  return true;
}

static bool is_interface(const char *text) {
  return *text && strlen(text) <= 15 && !strpbrk(text, "/: \t\r\n") && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool is_version(const char *text) {
  char framed[64];
  return snprintf(framed, sizeof framed, "|%s|", text) < (int)sizeof framed && strstr("|" VERSIONS("|") "|", framed);
}

static bool any_of(const char *command, const char *commands) { return strstr(commands, command) != NULL; }

static struct verdict wrong(int code, const char *next_step, const char *format, const char *text) {
  struct verdict verdict = {.code = code, .next_step = next_step};
  snprintf(verdict.message, sizeof verdict.message, format, text);
  return verdict;
}

static struct verdict judge_environment(const char *command) {
  if (any_of(command, "GC STATUS")) return (struct verdict){.code = 0};
  static const char *const needed[] = {"CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"};
  for (int i = 0; i < (strcmp(command, "DEL") == 0 ? 2 : 3); i++) {
    const char *text = getenv(needed[i]);
    if (!text || !*text) return wrong(INVALID_ENVIRONMENT, "The runtime sets it for every call.", "%s is not set.", needed[i]);
  }
  if (!is_id(getenv("CNI_CONTAINERID")))
    return wrong(INVALID_ENVIRONMENT,
                 "It begins with a letter or digit and goes on with letters, digits, dots, dashes and underscores.",
                 "CNI_CONTAINERID \"%.140s\" is no container id.", getenv("CNI_CONTAINERID"));
  if (!is_interface(getenv("CNI_IFNAME")))
    return wrong(INVALID_ENVIRONMENT, "It has 1 to 15 characters, no slash, colon or space; \".\" and \"..\" are none.",
                 "CNI_IFNAME \"%.140s\" is no interface name.", getenv("CNI_IFNAME"));
  return (struct verdict){.code = 0};
}

struct verdict judge(const char *command, const struct request *request) {
  static const char *const commands[] = {"ADD", "DEL", "CHECK", "GC", "STATUS", NULL};
  const char *const *known = commands;
  while (*known && strcmp(*known, command) != 0) known++;
  if (!*known)
    return wrong(INVALID_ENVIRONMENT, "Commands: ADD, DEL, CHECK, GC, STATUS, VERSION.",
                 "CNI_COMMAND is \"%.140s\", which is no command.", command);
  struct verdict verdict = judge_environment(command);
  if (verdict.code) return verdict;
  const char *json = request->config, *runtime = "The runtime hands it over; look at the file in its configuration directory.";
  size_t length = request->config_length;
  if (is_blank(json, length)) return wrong(DECODE_FAILURE, runtime, "The network configuration on stdin is empty%s.", "");
  if (!is_object(json, length))
    return wrong(DECODE_FAILURE, runtime, "The network configuration on stdin is no JSON object%s.", "");
  char text[256];
  if (json_string(json, length, "cniVersion", text, sizeof text) && *text && !is_version(text))
    return wrong(INCOMPATIBLE_VERSION, "Supported versions: " VERSIONS(", ") ".",
                 "cniVersion \"%.140s\" is not supported.", text);
  // A name with escapes is none either: they have no place in a name.
  if (!json_string(json, length, "name", text, sizeof text) || !*text)
    return wrong(INVALID_CONFIG, "Give the network a name.", "Network configuration: name is missing, or no text%s.", "");
  if (!is_id(text))
    return wrong(INVALID_CONFIG, "Use letters, digits, dots, dashes and underscores, a letter or digit first.",
                 "Network configuration: name \"%.140s\" is no network name.", text);
  return (struct verdict){.code = 0};
}
