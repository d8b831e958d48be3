// Selectors over labels, in Calico's syntax:
//
//     all()   has(k)   k == 'v'   k != 'v'   k in {'a', 'b'}   k not in {'a'}
//     k contains 'v'   k starts with 'v'   k ends with 'v'   !x   x && y   x || y   (x)
//
// As in Calico, a label that is absent differs from every value: `k != 'v'` and `k not in {…}` hold for it.

export type Labels = Readonly<Record<string, string>>

export type Selector =
  | { readonly op: 'all' }
  | { readonly op: 'has'; readonly key: string }
  | {
      readonly op: '==' | '!=' | 'contains' | 'starts with' | 'ends with'
      readonly key: string
      readonly value: string
    }
  | { readonly op: 'in' | 'not in'; readonly key: string; readonly values: readonly string[] }
  | { readonly op: '!'; readonly operand: Selector }
  | { readonly op: '&&' | '||'; readonly operands: readonly Selector[] }

export type ParsedSelector =
  | { readonly ok: true; readonly selector: Selector }
  /** `position` counts characters from 0; `reason` is a clause without a full stop. */
  | { readonly ok: false; readonly position: number; readonly reason: string }

/** Reads a selector. The empty text selects everything. */
export function parseSelector(text: string): ParsedSelector {
  if (text.trim() === '') return { ok: true, selector: { op: 'all' } }
  try {
    const reader = new Reader(text)
    const selector = anyOf(reader)
    if (reader.token.kind !== 'end') reader.fail('expected &&, || or the end')
    return { ok: true, selector }
  } catch (error) {
    if (error instanceof SyntaxFault) return { ok: false, position: error.position, reason: error.message }
    throw error
  }
}

const comparisons = {
  '==': (label, value) => label === value,
  '!=': (label, value) => label !== value,
  contains: (label, value) => label?.includes(value) ?? false,
  'starts with': (label, value) => label?.startsWith(value) ?? false,
  'ends with': (label, value) => label?.endsWith(value) ?? false,
} satisfies Record<string, (label: string | undefined, value: string) => boolean>

/** True if an object with these labels is selected. */
export function matches(selector: Selector, labels: Labels): boolean {
  const labelAt = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined)
  switch (selector.op) {
    case 'all':
      return true
    case 'has':
      return labelAt(selector.key) !== undefined
    case 'in':
      return selector.values.some(value => value === labelAt(selector.key))
    case 'not in':
      return selector.values.every(value => value !== labelAt(selector.key))
    case '!':
      return !matches(selector.operand, labels)
    case '&&':
      return selector.operands.every(operand => matches(operand, labels))
    case '||':
      return selector.operands.some(operand => matches(operand, labels))
    case '==':
    case '!=':
    case 'contains':
    case 'starts with':
    case 'ends with':
      break
  }
  return comparisons[selector.op](labelAt(selector.key), selector.value)
}

const MOST_KNOWN = 1_000
const known = new Map<string, ParsedSelector>()

/** Reads and matches in one step, for selectors that a schema has accepted. Throws if it is none. */
export function selects(text: string, labels: Labels): boolean {
  let parsed = known.get(text)
  if (!parsed) {
    // The few that a cluster has are asked of each of its nodes.
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(text, (parsed = parseSelector(text)))
  }
  if (!parsed.ok) throw new Error(`selector ${text}: ${parsed.reason} at character ${parsed.position + 1}`)
  return matches(parsed.selector, labels)
}

// ---- grammar: anyOf = allOf {'||' allOf}, allOf = term {'&&' term}, term = {'!'} (group | call | comparison) -----------------

function anyOf(reader: Reader): Selector {
  const operands = [allOf(reader)]
  while (reader.take('||')) operands.push(allOf(reader))
  return operands.length === 1 ? operands[0] : { op: '||', operands }
}

function allOf(reader: Reader): Selector {
  const operands = [term(reader)]
  while (reader.take('&&')) operands.push(term(reader))
  return operands.length === 1 ? operands[0] : { op: '&&', operands }
}

function term(reader: Reader): Selector {
  if (reader.take('!')) return { op: '!', operand: reader.nested(term) }
  if (reader.take('(')) {
    const selector = reader.nested(anyOf)
    reader.expect(')')
    return selector
  }
  const key = reader.word('a label, has(...), all(), ! or (')
  if (reader.token.kind === '(') return call(reader, key)
  return comparison(reader, key.text)
}

function call(reader: Reader, name: Token): Selector {
  reader.expect('(')
  if (name.text === 'all') {
    reader.expect(')')
    return { op: 'all' }
  }
  if (name.text !== 'has')
    throw new SyntaxFault(name.position, `there is no function ${name.text}(), only has(...) and all()`)
  const key = reader.word('the name of a label').text
  reader.expect(')')
  return { op: 'has', key }
}

function comparison(reader: Reader, key: string): Selector {
  if (reader.take('==')) return { op: '==', key, value: reader.string() }
  if (reader.take('!=')) return { op: '!=', key, value: reader.string() }
  if (reader.takeWord('in')) return { op: 'in', key, values: set(reader) }
  if (reader.takeWord('contains')) return { op: 'contains', key, value: reader.string() }
  for (const first of ['not', 'starts', 'ends'] as const) {
    if (!reader.takeWord(first)) continue
    const second = first === 'not' ? 'in' : 'with'
    if (!reader.takeWord(second)) reader.fail(`expected ${second} after ${first}`)
    if (first === 'not') return { op: 'not in', key, values: set(reader) }
    return { op: `${first} with`, key, value: reader.string() }
  }
  return reader.fail(`expected ==, !=, in, not in, contains, starts with or ends with after ${key}`)
}

function set(reader: Reader): string[] {
  reader.expect('{')
  const values: string[] = []
  while (reader.token.kind !== '}') {
    values.push(reader.string())
    if (!reader.take(',')) break
  }
  reader.expect('}')
  return values
}

// ---- tokens ------------------------------------------------------------------------------------------------------------------

interface Token {
  readonly kind: 'word' | 'string' | 'end' | '==' | '!=' | '&&' | '||' | '!' | '(' | ')' | '{' | '}' | ','
  readonly text: string
  readonly position: number
}

class SyntaxFault extends Error {
  readonly position: number
  constructor(position: number, reason: string) {
    super(reason)
    this.position = position
  }
}

const symbols = ['==', '!=', '&&', '||', '!', '(', ')', '{', '}', ','] as const
const deepest = 100

class Reader {
  readonly #text: string
  #position = 0
  #depth = 0
  token: Token

  constructor(text: string) {
    this.#text = text
    this.token = this.#next()
  }

  take(kind: Token['kind']): boolean {
    if (this.token.kind !== kind) return false
    this.token = this.#next()
    return true
  }

  takeWord(text: string): boolean {
    return this.token.kind === 'word' && this.token.text === text && this.take('word')
  }

  expect(kind: Token['kind']): void {
    if (!this.take(kind)) this.fail(`expected ${kind}`)
  }

  word(wanted: string): Token {
    const token = this.token
    if (!this.take('word')) this.fail(`expected ${wanted}`)
    return token
  }

  string(): string {
    const token = this.token
    if (!this.take('string')) this.fail("expected a value in quotes, like 'r1'")
    return token.text
  }

  /** Parses one level deeper, so that a hostile text ends in a refusal and not in a stack overflow. */
  nested(parse: (reader: Reader) => Selector): Selector {
    if (++this.#depth > deepest) this.fail(`more than ${deepest} levels of brackets and negations`)
    const selector = parse(this)
    this.#depth--
    return selector
  }

  fail(reason: string): never {
    const { kind, text, position } = this.token
    throw new SyntaxFault(
      position,
      `${reason}, found ${kind === 'end' ? 'the end' : kind === 'string' ? `'${text}'` : text}`,
    )
  }

  #next(): Token {
    while (/\s/.test(this.#text.charAt(this.#position))) this.#position++
    const position = this.#position
    if (position >= this.#text.length) return { kind: 'end', text: '', position }
    const symbol = symbols.find(candidate => this.#text.startsWith(candidate, position))
    if (symbol) return this.#token(symbol, symbol, symbol.length)
    const quote = this.#text[position]
    if (quote === "'" || quote === '"') {
      const end = this.#text.indexOf(quote, position + 1)
      if (end < 0) throw new SyntaxFault(position, `the quote ${quote} is never closed`)
      return this.#token('string', this.#text.slice(position + 1, end), end + 1 - position)
    }
    const word = /^[A-Za-z0-9_./-]+/.exec(this.#text.slice(position))
    if (!word) throw new SyntaxFault(position, `unexpected character ${quote}`)
    return this.#token('word', word[0], word[0].length)
  }

  #token(kind: Token['kind'], text: string, length: number): Token {
    const token = { kind, text, position: this.#position }
    this.#position += length
    return token
  }
}
