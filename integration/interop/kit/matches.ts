// Patterns for what a speaker shows: an object has at least these fields, a list has exactly these members in any order, a
// regular expression finds itself in the text.

export type Pattern =
  string | number | boolean | undefined | RegExp | readonly Pattern[] | { readonly [field: string]: Pattern }

export function matches(value: unknown, pattern: Pattern): boolean {
  if (pattern instanceof RegExp) return typeof value === 'string' && pattern.test(value)
  if (Array.isArray(pattern)) return Array.isArray(value) && matchesAll(value, pattern as readonly Pattern[])
  if (typeof pattern === 'object') {
    if (typeof value !== 'object' || value === null) return false
    return Object.entries(pattern).every(([field, one]) => matches(Reflect.get(value, field), one))
  }
  return value === pattern
}

function matchesAll(values: readonly unknown[], patterns: readonly Pattern[]): boolean {
  if (values.length !== patterns.length) return false
  const left = [...values]
  for (const pattern of patterns) {
    const found = left.findIndex(value => matches(value, pattern))
    if (found < 0) return false
    left.splice(found, 1)
  }
  return true
}
