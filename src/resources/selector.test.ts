import * as fc from 'fast-check'
import t from 'tap'
import { matches, parseSelector, selects } from './selector.ts'

t.test('selectors select', async t => {
  const labels = { rack: 'r1', role: 'edge', 'example.com/zone': 'a-1', empty: '' }
  for (const [text, expected] of [
    ['', true],
    ['all()', true],
    ['has(rack)', true],
    ['has(example.com/zone)', true],
    ['has(empty)', true],
    ['has(toString)', false],
    ['has(spine)', false],
    ['!has(spine)', true],
    ["rack == 'r1'", true],
    ['rack == "r1"', true],
    ["rack=='r2'", false],
    ["rack != 'r2'", true],
    ["spine != 'x'", true],
    ["spine == ''", false],
    ["empty == ''", true],
    ["rack in {'r1', 'r2'}", true],
    ['rack in {}', false],
    ["spine in {'x'}", false],
    ["rack not in {'r2'}", true],
    ["rack not in {'r1'}", false],
    ["spine not in {'x'}", true],
    ["role contains 'dg'", true],
    ["spine contains ''", false],
    ["role starts with 'ed'", true],
    ["role ends with 'ge'", true],
    ["role ends with 'ed'", false],
    ["rack == 'r2' || role == 'edge'", true],
    ["rack == 'r2' && role == 'edge' || has(rack)", true],
    ["rack == 'r2' && (role == 'edge' || has(rack))", false],
    ["!rack == 'r2' && has(role)", true],
    ['!(has(rack) && has(role))', false],
    ['!!has(rack)', true],
    ['  has( rack )&&has(role)  ', true],
    ["contains contains 'x'", false],
  ] as const)
    t.equal(selects(text, labels), expected, text)
})

t.test('what is no selector is told with its place', async t => {
  for (const [text, position, reason] of [
    ['rack', 4, 'expected ==, !=, in, not in, contains, starts with or ends with after rack, found the end'],
    ["rack = 'r1'", 5, 'unexpected character ='],
    ['rack == r1', 8, "expected a value in quotes, like 'r1', found r1"],
    ["rack == 'r1", 8, "the quote ' is never closed"],
    ["rack == 'r1' role == 'x'", 13, 'expected &&, || or the end, found role'],
    ['has(', 4, 'expected the name of a label, found the end'],
    ['has()', 4, 'expected the name of a label, found )'],
    ['any()', 0, 'there is no function any(), only has(...) and all()'],
    ['(has(a)', 7, 'expected ), found the end'],
    ["a in {'x' 'y'}", 10, "expected }, found 'y'"],
    ["a not 'x'", 6, "expected in after not, found 'x'"],
    ["a starts 'x'", 9, "expected with after starts, found 'x'"],
    ['&& has(a)', 0, 'expected a label, has(...), all(), ! or (, found &&'],
    ['a == "x" &', 9, 'unexpected character &'],
    ['!'.repeat(200) + 'has(a)', 101, 'more than 100 levels of brackets and negations, found !'],
  ] as const)
    t.same(parseSelector(text), { ok: false, position, reason }, text.slice(0, 30))
})

t.test('no text makes the parser throw, and brackets change nothing', async t => {
  const word = fc.constantFrom(
    'a',
    'has(a)',
    'all()',
    "'x'",
    '==',
    '!=',
    'in',
    'not',
    '{',
    '}',
    ',',
    '(',
    ')',
    '!',
    '&&',
    '||',
    'starts',
    'with',
    ' ',
  )
  fc.assert(
    fc.property(
      fc.array(word).map(words => words.join(' ')),
      fc.dictionary(fc.constant('a'), fc.constantFrom('x', 'y')),
      (text, labels) => {
        const parsed = parseSelector(text)
        if (!parsed.ok) return
        const again = parseSelector(`!(!(${text.trim() || 'all()'}))`)
        if (!again.ok || matches(again.selector, labels) !== matches(parsed.selector, labels)) throw new Error(text)
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})
