import t from 'tap'
import * as fc from 'fast-check'
import { asPath, type AsPathSegment } from '../wire/attributes.ts'
import { AsPathPattern } from './as-path-pattern.ts'

function compiled(text: string): AsPathPattern {
  const pattern = AsPathPattern.parse(text)
  if ('error' in pattern) throw new Error(pattern.error)
  return pattern
}

/** `65001 {1 2} 65002`. */
function path(text: string): Uint8Array {
  const segments: AsPathSegment[] = Array.from(text.matchAll(/\{([^}]*)\}|[\d ]+/g), match => ({
    type: match[1] === undefined ? 'sequence' : 'set',
    asns: (match[1] ?? match[0]).trim().split(/\s+/).filter(Boolean).map(Number),
  }))
  return asPath.encode(segments.filter(({ asns }) => asns.length > 0))
}

t.test('which paths a pattern means', async t => {
  for (const [text, means, not] of [
    ['65001', ['65001'], ['', '65002', '65001 65001', '1 65001']],
    ['', [''], ['65001']],
    ['.', ['1', '4294967295', '{1 2}'], ['', '1 2']],
    ['.*', ['', '1', '1 2 3'], []],
    ['65001 .*', ['65001', '65001 2 3'], ['2 65001', '']],
    ['.* 65001', ['65001', '1 2 65001'], ['65001 2']],
    ['.* 65001 .*', ['65001', '1 65001 2', '1 {7 65001} 2'], ['1 2', '165001']],
    ['64512..65534+', ['64512', '65534 64513'], ['', '64511', '64512 1']],
    ['(64512..65534 | 4200000000..4294967294)*', ['', '64512 4200000001'], ['64512 3356']],
    ['1 2 | 3', ['1 2', '3'], ['1', '2', '1 3', '1 2 3']],
    ['1 (2 | 3)? 4', ['1 4', '1 2 4', '1 3 4'], ['1 2 3 4', '1']],
    ['(1|2|3){2}', ['1 2', '3 3'], ['1', '1 2 3']],
    ['65001{1,3}', ['65001', '65001 65001 65001'], ['', '65001 65001 65001 65001']],
    ['65001{2,} .', ['65001 65001 9', '65001 65001 65001 9'], ['65001 9']],
    ['7{0}', [''], ['7']],
    ['(1*)* 2', ['2', '1 1 2'], ['1', '']],
    ['(.?){3} 5', ['5', '1 2 3 5'], ['1 2 3 4 5']],
  ] as const) {
    const pattern = compiled(text)
    for (const one of means) t.ok(pattern.matches(path(one), 0, path(one).length), `"${text}" means "${one}"`)
    for (const one of not) t.notOk(pattern.matches(path(one), 0, path(one).length), `"${text}" does not mean "${one}"`)
  }
})

t.test('a long path and a nasty pattern take no longer than they have to', async t => {
  const long = path(Array.from({ length: 900 }, () => 1).join(' '))
  t.notOk(compiled('(1*)* (1 | 1 1)* (1?){50} 2').matches(long, 0, long.length))
  t.ok(compiled('.* 1 (. .)* 1').matches(long, 0, long.length))
})

t.test('what is no pattern says where', async t => {
  for (const [text, error] of [
    ['65001 x', /"x" at character 7/],
    ['(1 2', /ends too early/],
    ['1 )', /"\)" at character 3/],
    ['*', /"\*" at character 1/],
    ['5..3', /5\.\.3 ends before/],
    ['4294967296', /"4294967296"/],
    ['1{3,2}', /ends before/],
    ['1{', /too early/],
    ['1..', /too early/],
    ['((1{100}){100}){100}', /more than 1000 steps/],
    ['('.repeat(60), /nested/],
  ] as const) {
    const pattern = AsPathPattern.parse(text)
    t.match('error' in pattern ? pattern.error : 'none', error, text)
  }
})

/** A pattern over the ASes 1, 2 and 3, and the regular expression over `a`, `b` and `c` that means the same. */
const { pattern: both } = fc.letrec<{
  pattern: { text: string; regexp: string }
  atom: { text: string; regexp: string }
}>(tie => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      { text: '1', regexp: 'a' },
      { text: '2', regexp: 'b' },
      { text: '3', regexp: 'c' },
      { text: '.', regexp: '.' },
      { text: '2..3', regexp: '[bc]' },
    ),
    tie('pattern').map(({ text, regexp }) => ({ text: `(${text})`, regexp: `(?:${regexp})` })),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{1,}', '{0,1}'))
      .map(([{ text, regexp }, times]) => ({ text: `(${text})${times}`, regexp: `(?:${regexp})${times}` })),
  ),
  pattern: fc
    .tuple(
      fc.array(tie('atom'), { maxLength: 3 }),
      fc.option(fc.array(tie('atom'), { maxLength: 2 }), { nil: undefined }),
    )
    .map(([first, second]) => {
      const side = (parts: readonly { text: string; regexp: string }[], key: 'text' | 'regexp') =>
        parts.map(part => part[key]).join(key === 'text' ? ' ' : '')
      const join = (key: 'text' | 'regexp') => side(first, key) + (second ? `|${side(second, key)}` : '')
      return { text: join('text'), regexp: join('regexp') }
    }),
}))

t.test('a pattern means what the same regular expression means', async t => {
  const paths = fc.array(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }), { minLength: 5, maxLength: 5 })
  fc.assert(
    fc.property(both, paths, ({ text, regexp }, list) => {
      const pattern = AsPathPattern.parse(text)
      // So many groups inside each other, or so many repetitions, that it is refused: not what is asked here.
      if ('error' in pattern) return /1000 steps|nested/.test(pattern.error)
      const wanted = new RegExp(`^(?:${regexp})$`)
      return list.every(asns => {
        const octets = path(asns.join(' '))
        return pattern.matches(octets, 0, octets.length) === wanted.test(asns.map(asn => ' abc'[asn]).join(''))
      })
    }),
    { numRuns: 500 },
  )
  t.pass('whatever the pattern')
})

t.test('no text makes the parser throw', async t => {
  const text = fc.string({ unit: fc.constantFrom(...'0123 .|()*+?{},x'.split('')), maxLength: 30 })
  fc.assert(
    fc.property(text, one => AsPathPattern.parse(one) !== undefined),
    { numRuns: 2000 },
  )
  t.pass('none')
})
